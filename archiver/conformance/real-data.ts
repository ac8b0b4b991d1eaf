/** The two real data sets as records of their tables, grouped by dataset. */
import { readFile } from "node:fs/promises";
import path from "node:path";

const DATA = path.join(import.meta.dirname, "../../node_modules/vega-datasets/data");

export interface DatasetRecords {
  readonly datasetId: string;
  readonly records: readonly Readonly<Record<string, unknown>>[];
}

interface FlightRow {
  /** `2001/01/01 00:47`, without a zone; taken as UTC. */
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

interface EarthquakeFeature {
  readonly id: string;
  readonly geometry: { readonly coordinates: readonly [number, number, number] };
  readonly properties: Readonly<Record<string, unknown>> & { readonly net: string; readonly tsunami: number };
}

async function load<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(path.join(DATA, name), "utf8"));
}

function grouped<T>(
  items: readonly T[],
  datasetOf: (item: T) => string,
  recordOf: (item: T) => Readonly<Record<string, unknown>>,
): readonly DatasetRecords[] {
  return [...Map.groupBy(items, datasetOf)].map(([datasetId, group]) => ({
    datasetId,
    records: group.map(recordOf),
  }));
}

/** Flights, one dataset an origin airport. */
export async function flights(): Promise<readonly DatasetRecords[]> {
  const rows = await load<readonly FlightRow[]>("flights-20k.json");
  return grouped(
    rows,
    ({ origin }) => origin,
    ({ date, ...flight }) => ({
      time: Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}Z`),
      ...flight,
    }),
  );
}

/** Earthquakes, one dataset a seismic network. */
export async function earthquakes(): Promise<readonly DatasetRecords[]> {
  const { features } = await load<{ readonly features: readonly EarthquakeFeature[] }>("earthquakes.json");
  return grouped(
    features,
    ({ properties }) => properties.net,
    ({ id, geometry, properties }) => ({
      time: properties["time"],
      id,
      magnitude: properties["mag"],
      mag_type: properties["magType"],
      place: properties["place"],
      longitude: geometry.coordinates[0],
      latitude: geometry.coordinates[1],
      depth: geometry.coordinates[2],
      network: properties.net,
      status: properties["status"],
      tsunami: properties.tsunami === 1,
      significance: properties["sig"],
      updated: properties["updated"],
      felt: properties["felt"],
      stations: properties["nst"],
      gap: properties["gap"],
      rms: properties["rms"],
      kind: properties["type"],
    }),
  );
}
