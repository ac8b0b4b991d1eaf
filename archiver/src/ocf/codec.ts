/** The codecs of the specification that the runtime's zlib can do. */
import * as zlib from "node:zlib";
import { OcfError } from "./error.ts";

export const CODECS = ["null", "deflate", "zstandard"] as const;
export type Codec = (typeof CODECS)[number];

/**
 * More than the runtimes hold at once that fail on larger outputs: workerd of
 * mid 2026 throws "Unexpected end of file" beyond 32 to 64 KB.
 */
const SELF_TEST_BYTES = 320 * 1024;

/** Whether zstandard gives back what it was given; node:zlib has it since Node 22.15 only. */
function zstandardWorks(): boolean {
  const sample = new Uint8Array(SELF_TEST_BYTES);
  for (let index = 0; index < SELF_TEST_BYTES; index += 1) sample[index] = (index * index) >>> 9;
  try {
    const back = zlib.zstdDecompressSync(zlib.zstdCompressSync(sample), { maxOutputLength: SELF_TEST_BYTES });
    return Buffer.compare(back, sample) === 0;
  } catch {
    return false;
  }
}

let zstandard: boolean | undefined;

/** Whether this runtime reads and writes the codec. The first question about zstandard runs its self-test, some ms. */
export function codecIsAvailable(codec: Codec): boolean {
  if (codec !== "zstandard") return true;
  zstandard ??= zstandardWorks();
  return zstandard;
}

/** @throws OcfError for a codec that this runtime does not have */
export function parseCodec(name: string): Codec {
  const codec = CODECS.find((known) => known === name);
  if (codec === undefined || !codecIsAvailable(codec)) {
    throw new OcfError("unknown-codec", `codec ${JSON.stringify(name)} is not supported`);
  }
  return codec;
}

/**
 * Compresses a block's records. Avro's deflate is raw: no zlib header, no checksum.
 * @param level of the codec: deflate 1 to 9, zstandard 1 to 22; its default when absent
 * @throws OcfError for a codec that this runtime does not have
 */
export function compress(codec: Codec, records: Uint8Array, level?: number): Uint8Array {
  if (codec === "null") return records;
  if (codec === "deflate") return zlib.deflateRawSync(records, level === undefined ? {} : { level });
  if (!codecIsAvailable(codec)) {
    throw new OcfError("unknown-codec", "this runtime's zstandard failed its self-test");
  }
  const params = level === undefined ? {} : { [zlib.constants.ZSTD_c_compressionLevel]: level };
  return zlib.zstdCompressSync(records, { params });
}

/** @throws OcfError when the payload is damaged or larger than `maxBytes` */
export function decompress(codec: Codec, payload: Uint8Array, maxBytes: number): Uint8Array {
  if (codec === "null") {
    if (payload.length > maxBytes) {
      throw new OcfError("bad-payload", `a block holds more than ${maxBytes} bytes`);
    }
    return payload;
  }
  if (!codecIsAvailable(codec)) {
    throw new OcfError("unknown-codec", "this runtime's zstandard failed its self-test");
  }
  // Every compressed stream has bytes, but workerd takes none for an empty zstandard one.
  if (payload.length === 0) {
    throw new OcfError("bad-payload", `a block's payload is no ${codec}: it is empty`);
  }
  try {
    return codec === "deflate"
      ? zlib.inflateRawSync(payload, { maxOutputLength: maxBytes })
      : zlib.zstdDecompressSync(payload, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new OcfError("bad-payload", `a block's payload is no ${codec}`, { cause });
  }
}
