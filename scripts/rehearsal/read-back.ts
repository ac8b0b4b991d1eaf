/** Reads tenants back and compares them, record by record, with what was sent. */
import { CliError, EXIT } from "../lib/exit.ts";
import { addComparisons, compareRecords, type Comparison } from "./compare.ts";
import type { RecordValue, Upload } from "./datasets.ts";
import type { HubClient } from "./hub-client.ts";
import { mapInParallel } from "./map-in-parallel.ts";
import type { PendingWrite } from "./traffic.ts";

/** All records of one tenant and table that were answered 202. */
export type Sent = Pick<Upload, "table" | "datasetId" | "records">;

export interface ReadBack extends Comparison {
  /** Records that came from D1 and from R2. */
  readonly hot: number;
  readonly cold: number;
}

/** Tenants that are read at once. */
const TENANTS_AT_ONCE = 4;

/** Uploads together with the single records written later, each to the tenant and table of its upload. */
export function allSent(uploads: readonly Upload[], written: readonly PendingWrite[]): readonly Sent[] {
  const later = Map.groupBy(written, ({ upload }) => `${upload.table}/${upload.datasetId}`);
  return uploads.map(({ table, datasetId, records }) => ({
    table,
    datasetId,
    records: [
      ...records,
      ...(later.get(`${table}/${datasetId}`) ?? []).map(({ record }): RecordValue => record),
    ],
  }));
}

/** @throws when an answer is not 200 */
export async function readBack(client: HubClient, sent: readonly Sent[]): Promise<ReadBack> {
  let hot = 0;
  let cold = 0;
  const parts = await mapInParallel(sent, TENANTS_AT_ONCE, async ({ table, datasetId, records }) => {
    const back = await client.readAll(table, datasetId);
    hot += back.hot;
    cold += back.cold;
    return compareRecords(records, back.records);
  });
  return { ...addComparisons(parts), hot, cold };
}

/** @throws {CliError} when anything is lost or doubled */
export function requireWhole({ lost, sent, doubled }: Comparison): void {
  if (lost === 0 && doubled === 0) return;
  throw new CliError(EXIT.failed, `${lost} of ${sent} records lost, ${doubled} doubled`);
}
