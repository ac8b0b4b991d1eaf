/** Media types of records, as bodies and as answers. The first of a list is the one that answers carry. */

export const JSON_TYPES = ["application/json"] as const;

/** Never registered with IANA, hence several spellings of the same. */
export const NDJSON_TYPES = ["application/x-ndjson", "application/ndjson", "application/jsonl"] as const;

/**
 * An Avro object container file. `application/octet-stream` is not among them:
 * it is what clients send who do not know what they send.
 */
export const AVRO_TYPES = ["application/avro", "avro/binary"] as const;

export interface ContentType {
  /** Lower case, without parameters; empty where the header is missing. */
  readonly type: string;
  /** Lower case; `null` where none is named. */
  readonly charset: string | null;
}

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)"?/i;

/** Type and charset of a `Content-Type` header (RFC 9110 section 8.3). */
export function parseContentType(header: string | undefined): ContentType {
  const [type = ""] = (header ?? "").split(";", 1);
  return {
    type: type.trim().toLowerCase(),
    charset: CHARSET.exec(header ?? "")?.[1]?.toLowerCase() ?? null,
  };
}
