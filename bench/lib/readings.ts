/** Records that hardly compress: what the archive is worth where luck does not help. */
import { createHash } from "node:crypto";
import { Random } from "../../archiver/conformance/random.ts";

/** A random id and random measurements. */
export const READINGS = {
  type: "record",
  name: "Reading",
  namespace: "strata.bench",
  fields: [
    { name: "time", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "id", type: "string" },
    { name: "device", type: "int" },
    { name: "value", type: "double" },
    { name: "error", type: ["null", "double"], default: null },
  ],
} as const;

export type Reading = Readonly<{
  time: number;
  id: string;
  device: number;
  value: number;
  error: number | null;
}>;

const SINCE = Date.parse("2018-02-01T00:00:00Z");

/** So many readings in time order; a seed gives the same ones every time. */
export function randomReadings(count: number, seed: number): readonly Reading[] {
  const random = new Random(seed);
  let time = SINCE;
  return Array.from({ length: count }, (_, index): Reading => {
    time += random.below(2_000);
    const digest = createHash("md5").update(`${seed} ${index}`).digest("hex");
    return {
      time,
      id: [
        digest.slice(0, 8),
        digest.slice(8, 12),
        digest.slice(12, 16),
        digest.slice(16, 20),
        digest.slice(20),
      ].join("-"),
      device: random.below(10_000),
      value: random.bits() / 2 ** 16,
      error: random.once(4) ? random.bits() / 2 ** 32 : null,
    };
  });
}
