import * as cloudflare from "@pulumi/cloudflare";
import { mapRecord } from "../map-record.ts";
import { dataOptions } from "../protection.ts";
import { D1_KEYS, type D1Key, type Topology } from "../topology.ts";

/**
 * D1 databases. A new name means a new, empty database, so the engine must
 * refuse it: `protect` outside `local`.
 */
export function d1Databases(topology: Topology, accountId: string): Record<D1Key, cloudflare.D1Database> {
  return mapRecord(
    D1_KEYS,
    topology.d1,
    ({ name, readReplication }, key) =>
      new cloudflare.D1Database(
        `d1-${key}`,
        // Left out, the API reads back a value that the next plan takes for a change.
        { accountId, name, readReplication: { mode: readReplication } },
        dataOptions(topology),
      ),
  );
}
