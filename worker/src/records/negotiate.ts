/** Which format an answer has when only the `Accept` header can tell. */
import { parseAccept } from "hono/utils/accept";
import type { ReadFormat } from "../../../archiver/src/contract.ts";
import { AVRO_TYPES, JSON_TYPES, NDJSON_TYPES } from "./media-types.ts";

export interface Representation {
  readonly format: ReadFormat;
  readonly type: string;
}

const TYPES: Readonly<Record<ReadFormat, readonly [string, ...string[]]>> = {
  json: JSON_TYPES,
  ndjson: NDJSON_TYPES,
  ocf: AVRO_TYPES,
};

export const READ_FORMATS = ["json", "ndjson", "ocf"] as const satisfies readonly ReadFormat[];

/** Every representation, the one preferred first. */
const OFFERS: readonly Representation[] = READ_FORMATS.flatMap((format) =>
  TYPES[format].map((type) => ({ format, type })),
);

export const READ_TYPES: readonly string[] = OFFERS.map(({ type }) => type);

/** The representation of a format. */
export function representationOf(format: ReadFormat): Representation {
  return { format, type: TYPES[format][0] };
}

/** How well a media range names a type, by RFC 9110 section 12.5.1; 0: not at all. */
function specificity(range: string, type: string): number {
  if (range === type) return 3;
  if (range === `${type.split("/", 1)[0]}/*`) return 2;
  return range === "*/*" || range === "*" ? 1 : 0;
}

/**
 * The representation that an `Accept` header asks for; `null` when none is
 * acceptable. Of those wanted alike, the one that is named more closely, so that
 * a client that adds a wildcard for errors gets the format that it names.
 */
export function negotiate(accept: string | undefined): Representation | null {
  const ranges = parseAccept(accept ?? "").map(({ type, q }) => ({ range: type.toLowerCase(), q }));
  if (ranges.length === 0) return representationOf("json");
  const ranked = OFFERS.flatMap((offer) => {
    const [closest] = ranges
      .map(({ range, q }) => ({ offer, q, closeness: specificity(range, offer.type) }))
      .filter(({ closeness }) => closeness > 0)
      .toSorted((left, right) => right.closeness - left.closeness);
    return closest === undefined || closest.q === 0 ? [] : [closest];
  }).toSorted((left, right) => right.q - left.q || right.closeness - left.closeness);
  return ranked[0]?.offer ?? null;
}
