/** Erases one tenant, and looks whether any other has lost a record by it. */
import { eraseDataset } from "../lib/archive/erase.ts";
import type { Operator } from "../lib/archive/operator.ts";
import type { HubClient } from "./hub-client.ts";
import { readBack, type Sent } from "./read-back.ts";
import type { RehearsalReport } from "./report.ts";

/** The tenant with the most records: its blocks lie between those of all others. */
function largestTenant(sent: readonly Sent[]): string {
  const [largest] = sent.toSorted((left, right) => right.records.length - left.records.length);
  if (largest === undefined) throw new Error("nothing was sent yet");
  return largest.datasetId;
}

/** @param sent by all tenants */
export async function eraseOne(
  operator: Operator,
  client: HubClient,
  sent: readonly Sent[],
): Promise<RehearsalReport["erasure"]> {
  const datasetId = largestTenant(sent);
  const { filesRewritten } = await eraseDataset(operator, datasetId);
  const isErased = (part: Sent): boolean => part.datasetId === datasetId;
  const erased = await readBack(client, sent.filter(isErased));
  const others = await readBack(
    client,
    sent.filter((part) => !isErased(part)),
  );
  return { datasetId, sent: erased.sent, found: erased.read, filesRewritten, others };
}
