/** What can be wrong with an object container file. */
export type OcfFault =
  /** The bytes do not begin with `Obj\x01`. */
  | "not-ocf"
  /** The bytes end inside a header or block. */
  | "truncated"
  /** A number is out of its range. */
  | "bad-number"
  /** The header lacks what every file must have. */
  | "bad-header"
  /** A codec that this reader does not have. */
  | "unknown-codec"
  /** A block does not end with the file's sync marker. */
  | "sync-mismatch"
  /** A block's payload does not decompress, or to more than the bound. */
  | "bad-payload";

/** A file or block that is not what the Avro specification says. */
export class OcfError extends Error {
  override readonly name = "OcfError";
  readonly code: OcfFault;

  constructor(code: OcfFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
