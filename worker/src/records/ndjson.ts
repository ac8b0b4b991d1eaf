/** Newline-delimited JSON, one record a line, read as it arrives. */
import { MAX_LISTED_FAULTS, type Fault } from "../http/index.ts";
import {
  MAX_RECORD_DEPTH,
  MAX_RECORDS_PER_REQUEST,
  nestsWithin,
  NO_RECORDS,
  TOO_DEEP,
  TOO_MANY,
} from "./bounds.ts";

/** Longest line in bytes. A record that is stored has at most 120,000 bytes as Avro, its JSON a few times that. */
export const MAX_LINE_BYTES = 1024 * 1024;

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
const BLANK = /^[ \t\r]*$/;

interface Line {
  /** From 1, empty lines counted. */
  readonly number: number;
  /** `null` when the line is longer than allowed; its bytes are not kept. */
  readonly bytes: Uint8Array | null;
}

/** Cuts chunks into lines, however they are cut. Lines of no bytes are counted and not handed on. */
class LineSplitter {
  readonly #onLine: (line: Line) => void;
  #parts: Uint8Array[] = [];
  #size = 0;
  #number = 1;

  constructor(onLine: (line: Line) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#take(chunk.subarray(start, end));
      this.end();
      start = end + 1;
    }
    this.#take(chunk.subarray(start));
  }

  /** Ends the line; at the end of the stream, too. */
  end(): void {
    if (this.#size > 0) this.#onLine({ number: this.#number, bytes: this.#joined() });
    this.#number += 1;
    this.#size = 0;
    this.#parts = [];
  }

  #take(part: Uint8Array): void {
    if (part.byteLength === 0) return;
    this.#size += part.byteLength;
    if (this.#size > MAX_LINE_BYTES) this.#parts = [];
    else this.#parts.push(part);
  }

  #joined(): Uint8Array | null {
    if (this.#size > MAX_LINE_BYTES) return null;
    const [first] = this.#parts;
    if (first !== undefined && this.#parts.length === 1) return first;
    const whole = new Uint8Array(this.#size);
    let offset = 0;
    for (const part of this.#parts) {
      whole.set(part, offset);
      offset += part.byteLength;
    }
    return whole;
  }
}

export interface NdjsonUpload {
  readonly records: readonly unknown[];
  /** The first of them; `faultCount` is the whole number. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
}

/** Records and faults of the lines so far. A faulty line has its place among the records. */
class NdjsonCollector {
  readonly records: unknown[] = [];
  readonly faults: Fault[] = [];
  faultCount = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #seen = 0;

  get tooMany(): boolean {
    return this.#seen > MAX_RECORDS_PER_REQUEST;
  }

  add({ number, bytes }: Line): void {
    if (this.tooMany) return;
    const fault = this.#parse(number, bytes);
    if (fault === null) return;
    this.addFault({ path: `/records/${this.#seen - 1}`, message: fault });
  }

  addFault(fault: Fault): void {
    this.faultCount += 1;
    if (this.faults.length < MAX_LISTED_FAULTS) this.faults.push(fault);
  }

  /** Keeps the line's record, or says what is wrong with it. */
  #parse(number: number, bytes: Uint8Array | null): string | null {
    if (bytes === null) {
      this.#seen += 1;
      return `line ${number} has more than ${MAX_LINE_BYTES} bytes`;
    }
    const text = this.#text(number === 1 ? withoutMark(bytes) : bytes);
    if (text !== null && BLANK.test(text)) return null;
    this.#seen += 1;
    if (text === null) return `line ${number} is not UTF-8`;
    const record = parsed(text);
    if (record instanceof SyntaxError) return `line ${number} is not JSON: ${syntaxFault(record)}`;
    this.records.push(record);
    return nestsWithin(MAX_RECORD_DEPTH, record) ? null : TOO_DEEP;
  }

  #text(bytes: Uint8Array): string | null {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return null;
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return error;
    throw error;
  }
}

/**
 * The parser's words without the place in its input, which is one line, but for
 * the column; and without saying again that it is no JSON.
 */
function syntaxFault({ message }: SyntaxError): string {
  return message
    .replace(/(?: in JSON)? at position \d+ \(line \d+ column (\d+)\)$/, " at column $1")
    .replace(/, (".*") is not valid JSON$/s, " in $1");
}

/** RFC 8259 section 8.1: a byte order mark at the start may be ignored. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte)
    ? bytes.subarray(BYTE_ORDER_MARK.length)
    : bytes;
}

/**
 * The records of a body, and every line that is none. Only records and one line
 * are held; reading ends at the first record too many.
 */
export async function readNdjson(body: ReadableStream<Uint8Array> | null): Promise<NdjsonUpload> {
  const collector = new NdjsonCollector();
  const lines = new LineSplitter((line) => collector.add(line));
  for await (const chunk of body ?? []) {
    lines.push(chunk);
    if (collector.tooMany) break;
  }
  lines.end();
  const { records, faults } = collector;
  if (collector.tooMany) collector.addFault({ path: "/records", message: TOO_MANY });
  else if (records.length + collector.faultCount === 0) {
    collector.addFault({ path: "/records", message: NO_RECORDS });
  }
  return { records, faults, faultCount: collector.faultCount };
}
