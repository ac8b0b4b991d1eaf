/** The header of an object container file: magic, metadata, sync marker. */
import { type Codec, parseCodec } from "./codec.ts";
import { OcfError } from "./error.ts";
import { decodeLong, encodeLong } from "./long.ts";

export const SYNC_BYTES = 16;
const MAGIC = Uint8Array.of(0x4f, 0x62, 0x6a, 0x01);
const SCHEMA_KEY = "avro.schema";
const CODEC_KEY = "avro.codec";

export interface Header {
  /** The writer schema as JSON. */
  readonly schema: string;
  readonly codec: Codec;
  /** Every other key; those that begin with `avro.` belong to the specification. */
  readonly metadata: ReadonlyMap<string, string>;
  /** 16 bytes that end the header and every block. */
  readonly sync: Uint8Array;
}

export interface ParsedHeader extends Header {
  /** Bytes of the header: where the first block begins. */
  readonly size: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Joins byte arrays into one. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function encodeText(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  return concatBytes([encodeLong(bytes.length), bytes]);
}

/** Encodes a header; equal headers give equal bytes. */
export function encodeHeader({ schema, codec, metadata, sync }: Header): Uint8Array {
  if (sync.length !== SYNC_BYTES) throw new OcfError("bad-header", `a sync marker has ${SYNC_BYTES} bytes`);
  const entries = [[SCHEMA_KEY, schema], [CODEC_KEY, codec], ...metadata] as const;
  return concatBytes([
    MAGIC,
    encodeLong(entries.length),
    ...entries.flatMap(([key, value]) => [encodeText(key), encodeText(value)]),
    encodeLong(0),
    sync,
  ]);
}

/** Takes `length` bytes at `offset`, or says that there are none. */
export function takeBytes(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  if (length < 0) throw new OcfError("bad-number", `a length of ${length} at ${offset}`);
  if (length > bytes.length - offset) {
    throw new OcfError("truncated", `the bytes end before ${offset + length}`);
  }
  return bytes.subarray(offset, offset + length);
}

/**
 * Parses the header at the start of `bytes`.
 * @throws OcfError
 */
export function parseHeader(bytes: Uint8Array): ParsedHeader {
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new OcfError("not-ocf", "the bytes do not begin with the magic of an Avro file");
  }
  const { entries, next } = parseMap(bytes, MAGIC.length);
  const sync = takeBytes(bytes, next, SYNC_BYTES);
  const metadata = new Map<string, string>();
  for (const [key, value] of entries) {
    if (key !== SCHEMA_KEY && key !== CODEC_KEY) metadata.set(key, decodeText(value, key));
  }
  const schema = entries.get(SCHEMA_KEY);
  if (schema === undefined) throw new OcfError("bad-header", "the header names no schema");
  const codec = entries.get(CODEC_KEY);
  return {
    schema: decodeText(schema, SCHEMA_KEY),
    codec: codec === undefined ? "null" : parseCodec(decodeText(codec, CODEC_KEY)),
    metadata,
    sync,
    size: next + SYNC_BYTES,
  };
}

function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new OcfError("bad-header", `${what} is not UTF-8`, { cause });
  }
}

/** A map is written in blocks; a negative count is followed by the block's size in bytes. */
function parseMap(
  bytes: Uint8Array,
  start: number,
): { readonly entries: ReadonlyMap<string, Uint8Array>; readonly next: number } {
  const entries = new Map<string, Uint8Array>();
  let offset = start;
  for (;;) {
    const count = decodeLong(bytes, offset);
    offset = count.next;
    if (count.value === 0) return { entries, next: offset };
    if (count.value < 0) offset = decodeLong(bytes, offset).next;
    for (let index = 0; index < Math.abs(count.value); index += 1) {
      const key = parseBytes(bytes, offset);
      const value = parseBytes(bytes, key.next);
      entries.set(decodeText(key.value, "a metadata key"), value.value);
      offset = value.next;
    }
  }
}

function parseBytes(
  bytes: Uint8Array,
  offset: number,
): { readonly value: Uint8Array; readonly next: number } {
  const length = decodeLong(bytes, offset);
  const value = takeBytes(bytes, length.next, length.value);
  return { value, next: length.next + length.value };
}
