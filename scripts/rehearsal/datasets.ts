/**
 * The real data of the rehearsal: USGS earthquakes (tenant: the seismic
 * network) and US domestic flights (tenant: the origin airport), both from the
 * npm package `vega-datasets`, in the shape of the archiver's table schemas.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { z } from "zod";

export type RecordValue = Readonly<Record<string, string | number | boolean | null>>;

/** Records of one tenant, table and period. */
export interface Upload {
  readonly table: string;
  readonly datasetId: string;
  /** Absent: the day of each record. */
  readonly periodTag?: string;
  readonly records: readonly RecordValue[];
}

const earthquakes = z.object({
  features: z.array(
    z.object({
      id: z.string(),
      properties: z.object({
        mag: z.number().nullable(),
        place: z.string().nullable(),
        time: z.int(),
        updated: z.int(),
        felt: z.int().nullable(),
        nst: z.int().nullable(),
        gap: z.number().nullable(),
        rms: z.number().nullable(),
        type: z.string(),
        net: z.string(),
        status: z.string(),
        tsunami: z.int(),
        sig: z.int(),
        magType: z.string().nullable(),
      }),
      geometry: z.object({ coordinates: z.tuple([z.number(), z.number(), z.number()]) }),
    }),
  ),
});

const flights = z.array(
  z.object({
    date: z.string().regex(/^\d{4}\/\d{2}\/\d{2} \d{2}:\d{2}$/),
    delay: z.int(),
    distance: z.int(),
    origin: z.string(),
    destination: z.string(),
  }),
);

/** Few flights a day leave most airports: archived by the year they share blocks of a useful size. */
const FLIGHTS_PERIOD = "2001";

async function readDataset(name: string): Promise<unknown> {
  const entry = createRequire(import.meta.url).resolve("vega-datasets");
  const file = path.join(path.dirname(entry), "..", "data", name);
  return JSON.parse(await readFile(file, "utf8"));
}

/** The local time of a flight, read as UTC, in milliseconds. */
function flightTime(date: string): number {
  return Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}:00Z`);
}

export async function loadEarthquakes(): Promise<readonly Upload[]> {
  const { features } = earthquakes.parse(await readDataset("earthquakes.json"));
  const byNetwork = Map.groupBy(features, ({ properties }) => properties.net);
  return [...byNetwork].map(([network, events]) => ({
    table: "earthquakes",
    datasetId: network,
    records: events.map(({ id, properties, geometry }) => ({
      time: properties.time,
      id,
      magnitude: properties.mag,
      mag_type: properties.magType,
      place: properties.place,
      longitude: geometry.coordinates[0],
      latitude: geometry.coordinates[1],
      depth: geometry.coordinates[2],
      network: properties.net,
      status: properties.status,
      tsunami: properties.tsunami !== 0,
      significance: properties.sig,
      updated: properties.updated,
      felt: properties.felt,
      stations: properties.nst,
      gap: properties.gap,
      rms: properties.rms,
      kind: properties.type,
    })),
  }));
}

export async function loadFlights(): Promise<readonly Upload[]> {
  const rows = flights.parse(await readDataset("flights-20k.json"));
  const byOrigin = Map.groupBy(rows, ({ origin }) => origin);
  return [...byOrigin].map(([origin, departures]) => ({
    table: "flights",
    datasetId: origin,
    periodTag: FLIGHTS_PERIOD,
    records: departures.map(({ date, delay, distance, destination }) => ({
      time: flightTime(date),
      delay,
      distance,
      origin,
      destination,
    })),
  }));
}
