/** Random records of many tenants, the same ones for a seed. */
import type { Random } from "../../archiver/conformance/random.ts";
import { encodeHeader, encodeBlock, SYNC_BYTES } from "../../archiver/src/ocf/index.ts";
import { registry } from "../../archiver/src/tables/index.ts";
import type { BenchRecord } from "./records.ts";

const DAY_MS = 86_400_000;

/** A day long past, so that its period is closed. */
const SINCE = Date.parse("2024-03-01T00:00:00Z");

const NETWORKS = ["us", "ci", "nc", "ak", "hv", "nn"] as const;
const MAG_TYPES = ["ml", "md", "mb", "mww"] as const;
const PLACES = ["The Geysers, CA", "Pahala, Hawaii", "Cantwell, Alaska", "Borrego Springs, CA"] as const;
const DIRECTIONS = ["N", "SSE", "WSW", "ENE"] as const;

const round = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;

/** A seismic event of no real place or time, within `days` of a fixed day. */
export function randomEvent(random: Random, days: number): BenchRecord {
  const time = SINCE + random.below(days * DAY_MS);
  const network = random.pick(NETWORKS);
  return {
    time,
    id: `${network}${random.bits().toString(36)}`,
    magnitude: random.once(50) ? null : round(random.below(600) / 100, 2),
    mag_type: random.pick(MAG_TYPES),
    place: `${random.below(90) + 1}km ${random.pick(DIRECTIONS)} of ${random.pick(PLACES)}`,
    longitude: round((random.bits() / 2 ** 32) * 360 - 180, 4),
    latitude: round((random.bits() / 2 ** 32) * 180 - 90, 4),
    depth: round(random.below(20_000) / 100, 2),
    network,
    status: random.once(3) ? "automatic" : "reviewed",
    tsunami: random.once(200),
    significance: random.below(1_000),
    updated: time + random.below(DAY_MS),
    felt: random.once(10) ? random.below(200) : null,
    stations: random.once(4) ? null : random.below(120),
    gap: random.once(4) ? null : random.below(360),
    rms: round(random.below(150) / 100, 2),
    kind: random.once(30) ? "quarry blast" : "earthquake",
  };
}

/** Records of `earthquakes` as an object container file, uncompressed, in one block. */
export function containerOf(records: readonly BenchRecord[]): Uint8Array<ArrayBuffer> {
  const schema = registry.newest("earthquakes");
  if (schema === undefined) throw new Error("there is no table earthquakes");
  const sync = new Uint8Array(SYNC_BYTES);
  const header = encodeHeader({ schema: schema.json, codec: "null", metadata: new Map(), sync });
  const bytes = Buffer.concat(records.map((record) => schema.type.toBuffer(record)));
  const block = encodeBlock({ recordCount: records.length, records: bytes }, "null", sync);
  const file = new Uint8Array(header.length + block.length);
  file.set(header);
  file.set(block, header.length);
  return file;
}
