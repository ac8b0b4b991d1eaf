/** Stores a file in R2, never over another. */
import type { ArchiveFile } from "./plan.ts";

/** The object under a file's key is not that file. */
export class ObjectConflict extends Error {
  override readonly name = "ObjectConflict";
}

/**
 * Puts a file under its key. An equal object that is there already is what a
 * run left behind that died before its commit.
 * @throws ObjectConflict when a different object has the key
 */
export async function putOnce(bucket: R2Bucket, file: ArchiveFile): Promise<void> {
  const stored = await bucket.put(file.key, file.bytes, {
    onlyIf: new Headers({ "If-None-Match": "*" }),
    sha256: file.sha256,
    httpMetadata: { contentType: "application/avro" },
    customMetadata: { table: file.table, period: file.period, fingerprint: file.fingerprint },
  });
  if (stored !== null) return;
  const existing = await bucket.head(file.key);
  const digest = existing?.checksums.sha256;
  if (digest === undefined || Buffer.from(digest).toString("hex") !== file.sha256) {
    throw new ObjectConflict(`${file.key} exists with another content`);
  }
}
