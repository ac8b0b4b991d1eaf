/** Joins object container files of one schema into one. */
import {
  encodeBlock,
  encodeHeader,
  OcfError,
  parseBlock,
  parseFrame,
  parseHeader,
  reframe,
  type ParsedHeader,
} from "../../../archiver/src/ocf/index.ts";
import { CliError, EXIT } from "../exit.ts";

/** What a file adds to the joined one. */
export interface Joined {
  readonly bytes: readonly Uint8Array[];
  readonly records: number;
}

export class OcfJoin {
  #header: ParsedHeader | null = null;

  /**
   * The header of the first file goes first; every block is framed anew with its sync marker.
   * @throws {CliError} when a file has another schema, or is none
   */
  add(file: Uint8Array): Joined {
    try {
      return this.#add(file);
    } catch (error) {
      if (!(error instanceof OcfError)) throw error;
      throw new CliError(EXIT.failed, `The hub answered no object container file: ${error.message}`, {
        cause: error,
      });
    }
  }

  #add(file: Uint8Array): Joined {
    const source = parseHeader(file);
    const target = this.#header ?? source;
    if (source.schema !== target.schema) {
      throw new CliError(EXIT.failed, "The table's schema changed while it was read", {
        hints: ["An archiver was released meanwhile: run the export again."],
      });
    }
    const bytes: Uint8Array[] = [];
    if (this.#header === null) {
      this.#header = source;
      bytes.push(encodeHeader(source));
    }
    let records = 0;
    for (let offset = source.size; offset < file.length;) {
      const frame = parseFrame(file, offset, source.sync);
      bytes.push(
        source.codec === target.codec
          ? reframe(frame, target.sync)
          : encodeBlock(parseBlock(file, offset, source), target.codec, target.sync),
      );
      records += frame.recordCount;
      offset += frame.length;
    }
    return { bytes, records };
  }
}
