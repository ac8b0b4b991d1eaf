/** Fills an archiver with random events of many tenants. */
import { Random } from "../../archiver/conformance/random.ts";
import type { BenchArchiver } from "./archiver.ts";
import { containerOf, randomEvent } from "./events.ts";

export const EVENTS = "earthquakes";

export interface Load {
  readonly tenants: number;
  /** Records of each tenant. */
  readonly records: number;
  readonly days: number;
  /** Records of one upload. */
  readonly upload: number;
  readonly seed: number;
}

export const tenantName = (index: number): string => `tenant-${String(index + 1).padStart(2, "0")}`;

/** Uploads the load, the tenants in turns, and waits until the queue has delivered it. @returns bytes of records */
export async function fill(archiver: BenchArchiver, load: Load): Promise<number> {
  const random = new Random(load.seed);
  let bytes = 0;
  for (let sent = 0; sent < load.records; sent += load.upload) {
    for (let tenant = 0; tenant < load.tenants; tenant += 1) {
      const count = Math.min(load.upload, load.records - sent);
      const events = Array.from({ length: count }, () => randomEvent(random, load.days));
      const target = { datasetId: tenantName(tenant), table: EVENTS };
      bytes += (await archiver.ingestContainer(target, containerOf(events))).bytes;
    }
  }
  await archiver.drainQueue();
  return bytes;
}
