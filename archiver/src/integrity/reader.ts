/** Reads an object from its beginning to its end, range by range. */
import { MAX_RANGE_BYTES } from "../cold/index.ts";
import { OcfError } from "../ocf/index.ts";

/** The object was replaced or deleted while it was being read. */
export class ObjectChanged extends Error {
  override readonly name = "ObjectChanged";
}

/** What a listing or a `head` says of an object. */
export type ObjectVersion = Pick<R2Object, "key" | "size" | "etag">;

/** Holds one range at a time, beside what was asked for and reaches past it. */
export class ObjectReader {
  readonly #bucket: R2Bucket;
  readonly #object: ObjectVersion;
  readonly #rangeBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(bucket: R2Bucket, object: ObjectVersion, rangeBytes: number = MAX_RANGE_BYTES) {
    this.#bucket = bucket;
    this.#object = object;
    this.#rangeBytes = rangeBytes;
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Bytes from there to the end of the object. */
  get left(): number {
    return this.#object.size - this.#position;
  }

  /**
   * The next bytes, which stay the next: `length` of them, or all that are left.
   * @throws ObjectChanged
   */
  async peek(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.left);
    if (this.#bytes.length < wanted) {
      const offset = this.#position + this.#bytes.length;
      const missing = wanted - this.#bytes.length;
      const more = await this.#fetch(
        offset,
        Math.min(Math.max(missing, this.#rangeBytes), this.#object.size - offset),
      );
      this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
    }
    return this.#bytes.subarray(0, wanted);
  }

  /**
   * The next `length` bytes.
   * @throws OcfError when the object ends before, ObjectChanged
   */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length);
    if (bytes.length < length) {
      throw new OcfError("truncated", `${this.#object.key} ends before ${this.#position + length}`);
    }
    this.#bytes = this.#bytes.subarray(length);
    this.#position += length;
    return bytes;
  }

  async #fetch(offset: number, length: number): Promise<Uint8Array> {
    const { key, etag } = this.#object;
    const object = await this.#bucket.get(key, {
      range: { offset, length },
      onlyIf: { etagMatches: etag },
    });
    const bytes = object !== null && "body" in object ? new Uint8Array(await object.arrayBuffer()) : null;
    if (bytes?.length === length) return bytes;
    throw new ObjectChanged(`${key} has changed while it was being read`);
  }
}
