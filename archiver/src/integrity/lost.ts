/** Says of a lost file what its object is, where there is one. */
import { createHash } from "node:crypto";
import { storedSha256 } from "../cold/index.ts";
import type { VerifyDepth } from "../contract.ts";
import type { IndexedFile, IntegrityFaults } from "./checks.ts";
import { ObjectChanged, ObjectReader } from "./reader.ts";

/** Checks a file that is lost. In a full check its object is read whole, 4 MiB at a time. */
export async function checkLost(
  file: IndexedFile,
  bucket: R2Bucket,
  depth: VerifyDepth,
  faults: IntegrityFaults,
): Promise<void> {
  const { path, recordCount, sha256 } = file;
  const object = await bucket.head(path);
  if (object === null) {
    faults.add("lost", path, `its object is gone, with ${recordCount} records`);
  } else if (sha256 === "") {
    const why = "it holds rows of other files, and some that are nowhere else";
    faults.add(
      "lost-but-there",
      path,
      `a reindexing has kept it apart, ${recordCount} records unread: ${why}`,
    );
  } else {
    faults.add("lost-but-there", path, await compare(file, bucket, object, depth));
  }
}

async function compare(
  { size, sha256 }: IndexedFile,
  bucket: R2Bucket,
  object: R2Object,
  depth: VerifyDepth,
): Promise<string> {
  const other = (what: string): string => `the object is not the file: ${what}`;
  if (object.size !== size) return other(`it has ${object.size} bytes, the index says ${size}`);
  const found = depth === "full" ? await sha256Of(bucket, object) : storedSha256(object);
  if (found === null) return "its object's size agrees; whether its bytes do, the full depth says";
  if (found !== sha256) return other(`its SHA-256 is ${found}, the index says ${sha256}`);
  return "its object is there, and size and checksum agree: retention makes it live again";
}

const STEP_BYTES = 1024 * 1024;

/** @returns `null` when the object changes meanwhile */
async function sha256Of(bucket: R2Bucket, object: R2Object): Promise<string | null> {
  const reader = new ObjectReader(bucket, object);
  const hash = createHash("sha256");
  try {
    while (reader.left > 0) hash.update(await reader.take(Math.min(STEP_BYTES, reader.left)));
  } catch (error) {
    if (error instanceof ObjectChanged) return null;
    throw error;
  }
  return hash.digest("hex");
}
