/** Stores files in R2, never over another: small ones at once, large ones in parts. */
import type { ByteSink, WrittenFile } from "./file.ts";

/** The object under a file's key is not that file. */
export class ObjectConflict extends Error {
  override readonly name = "ObjectConflict";
}

/** R2 takes parts of at least 5 MiB, all but the last of one size. Also how much of an upload is in memory. */
export const PART_BYTES = 5 * 1024 * 1024;

const SHA256_KEY = "sha256";

/** What an object says of itself beside its bytes. */
type Labels = Pick<WrittenFile, "table" | "period" | "fingerprint">;

function optionsFor({ table, period, fingerprint }: Labels, sha256?: string) {
  return {
    httpMetadata: { contentType: "application/avro" },
    customMetadata: { table, period, fingerprint, ...(sha256 === undefined ? {} : { [SHA256_KEY]: sha256 }) },
  };
}

/** The hex SHA-256 that R2 holds for an object; `null` for one that was streamed. */
export function storedSha256({ checksums, customMetadata }: R2Object): string | null {
  if (checksums.sha256 !== undefined) return Buffer.from(checksums.sha256).toString("hex");
  return customMetadata?.[SHA256_KEY] ?? null;
}

/**
 * Puts a file under its key. An equal object that is there already is what a
 * run left behind that died before its commit.
 * @returns when R2 took the object, ms UTC
 * @throws ObjectConflict when a different object has the key
 */
export async function putOnce(
  bucket: R2Bucket,
  key: string,
  file: Labels & Pick<WrittenFile, "sha256">,
  bytes: Uint8Array,
): Promise<number> {
  const options = optionsFor(file, file.sha256);
  const stored =
    bytes.length > PART_BYTES
      ? await putInParts(bucket, key, bytes, options)
      : await bucket.put(key, bytes, {
          ...options,
          onlyIf: new Headers({ "If-None-Match": "*" }),
          sha256: file.sha256,
        });
  if (stored !== null) return stored.uploaded.getTime();
  const existing = await bucket.head(key);
  if (existing === null || storedSha256(existing) !== file.sha256) {
    throw new ObjectConflict(`${key} exists with another content`);
  }
  return existing.uploaded.getTime();
}

/** @returns `null` when the key is taken */
async function putInParts(
  bucket: R2Bucket,
  key: string,
  bytes: Uint8Array,
  options: R2MultipartOptions,
): Promise<R2Object | null> {
  if ((await bucket.head(key)) !== null) return null;
  const upload = new Upload(bucket, key, options);
  try {
    await upload.write(bytes);
    return await upload.finish();
  } catch (error) {
    // R2 gives up parts without an end after seven days by itself.
    await upload.abort().catch(() => undefined);
    throw error;
  }
}

/**
 * Streams an object whose key no other has (it holds a random part): at most
 * two parts are in memory, and nothing is visible before `finish`.
 */
export class ObjectWriter implements ByteSink {
  readonly #upload: Upload;

  constructor(bucket: R2Bucket, key: string, labels: Labels) {
    this.#upload = new Upload(bucket, key, optionsFor(labels));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#upload.write(bytes);
  }

  /**
   * Makes the object visible.
   * @param sha256 hex; R2 holds an object against it that was sent in one piece
   * @throws ObjectConflict when an object has the key
   */
  finish(sha256?: string): Promise<R2Object> {
    return this.#upload.finish(sha256);
  }

  /** Gives up; what was uploaded is removed. */
  abort(): Promise<void> {
    return this.#upload.abort();
  }
}

class Upload {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  readonly #options: R2MultipartOptions;
  readonly #parts: R2UploadedPart[] = [];
  #multipart: R2MultipartUpload | undefined;
  #waiting: Uint8Array[] = [];
  #size = 0;

  constructor(bucket: R2Bucket, key: string, options: R2MultipartOptions) {
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (this.#size + rest.length > PART_BYTES) {
      const room = PART_BYTES - this.#size;
      this.#push(rest.subarray(0, room));
      rest = rest.subarray(room);
      await this.#sendPart();
    }
    this.#push(rest);
  }

  async finish(sha256?: string): Promise<R2Object> {
    if (this.#multipart === undefined) {
      const object = await this.#bucket.put(this.#key, this.#take(), {
        ...this.#options,
        ...(sha256 === undefined ? {} : { sha256 }),
        onlyIf: new Headers({ "If-None-Match": "*" }),
      });
      if (object === null) throw new ObjectConflict(`${this.#key} exists already`);
      return object;
    }
    if (this.#size > 0) await this.#sendPart();
    return this.#multipart.complete(this.#parts);
  }

  async abort(): Promise<void> {
    this.#take();
    await this.#multipart?.abort();
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#size += bytes.length;
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#size = 0;
    return bytes;
  }

  async #sendPart(): Promise<void> {
    this.#multipart ??= await this.#bucket.createMultipartUpload(this.#key, this.#options);
    this.#parts.push(await this.#multipart.uploadPart(this.#parts.length + 1, this.#take()));
  }
}
