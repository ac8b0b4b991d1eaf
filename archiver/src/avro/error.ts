/** A schema that the archive cannot hold; thrown while the Worker starts, and by `canonicalForm`. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** Stored bytes that are not the records that their metadata promises. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}
