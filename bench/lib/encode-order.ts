/** What the benches ask of the Worker that encodes. */
import type { Codec } from "../../archiver/src/ocf/index.ts";

/** A way from records to the bytes of a file. */
export type EncodeWay =
  /** Our writer: record by record into blocks, and these into a file. */
  | { readonly way: "file-writer"; readonly codec: Codec; readonly level: number | undefined }
  /** What an archive run makes of hot rows, which are encoded already. */
  | { readonly way: "archive-run" }
  /** avsc's `BlockEncoder`; `-sync` with a deflate codec of ours, which its option `codecs` takes. */
  | { readonly way: "block-encoder" }
  | { readonly way: "block-encoder-sync" };

export type EncodeOrder = EncodeWay & {
  readonly table: string;
  readonly blockBytes: number;
  readonly repetitions: number;
};
