/** The codecs of the specification that every implementation must have. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { OcfError } from "./error.ts";

export const CODECS = ["null", "deflate"] as const;
export type Codec = (typeof CODECS)[number];

/** @throws OcfError for a codec that this reader does not have */
export function parseCodec(name: string): Codec {
  const codec = CODECS.find((known) => known === name);
  if (codec === undefined) {
    throw new OcfError("unknown-codec", `codec ${JSON.stringify(name)} is not supported`);
  }
  return codec;
}

/** Compresses a block's records. Avro's deflate is raw: no zlib header, no checksum. */
export function compress(codec: Codec, records: Uint8Array): Uint8Array {
  return codec === "deflate" ? deflateRawSync(records) : records;
}

/** @throws OcfError when the payload is damaged or larger than `maxBytes` */
export function decompress(codec: Codec, payload: Uint8Array, maxBytes: number): Uint8Array {
  if (codec === "null") {
    if (payload.length > maxBytes) {
      throw new OcfError("bad-payload", `a block holds more than ${maxBytes} bytes`);
    }
    return payload;
  }
  try {
    return inflateRawSync(payload, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new OcfError("bad-payload", "a block's payload does not inflate", { cause });
  }
}
