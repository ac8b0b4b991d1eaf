/** A bucket in the test's time: what it says of an upload, and what its lifecycle rule removes. */
import { env } from "cloudflare:workers";
import { DAY } from "./archiver.ts";

const isObject = (value: unknown): value is R2Object =>
  typeof value === "object" && value !== null && "uploaded" in value;

export class ClockedBucket {
  readonly bucket: R2Bucket;
  readonly #now: () => number;
  readonly #uploads = new Map<string, number>();

  /** @param now ms UTC */
  constructor(now: () => number, bucket: R2Bucket = env.COLD) {
    this.#now = now;
    this.bucket = new Proxy(bucket, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return async (...values: unknown[]) => {
          const result: unknown = await member.apply(target, values);
          switch (name) {
            case "put":
              return isObject(result) ? this.#store(result) : result;
            case "createMultipartUpload":
              return this.#upload(result as R2MultipartUpload);
            case "list": {
              const listed = result as R2Objects;
              return { ...listed, objects: listed.objects.map((object) => this.#dated(object)) };
            }
            default:
              return isObject(result) ? this.#dated(result) : result;
          }
        };
      },
    });
  }

  /** Removes what is older than the rule says. @returns the keys */
  async expire(days: number): Promise<readonly string[]> {
    const { objects } = await env.COLD.list();
    const expired = objects
      .map(({ key }) => key)
      .filter((key) => (this.#uploads.get(key) ?? this.#now()) <= this.#now() - days * DAY);
    await env.COLD.delete(expired);
    return expired;
  }

  #store(object: R2Object): R2Object {
    this.#uploads.set(object.key, this.#now());
    return this.#dated(object);
  }

  #upload(upload: R2MultipartUpload): R2MultipartUpload {
    return {
      key: upload.key,
      uploadId: upload.uploadId,
      uploadPart: (number, value) => upload.uploadPart(number, value),
      abort: () => upload.abort(),
      complete: async (parts) => this.#store(await upload.complete(parts)),
    };
  }

  #dated<T extends R2Object>(object: T): T {
    const uploaded = new Date(this.#uploads.get(object.key) ?? object.uploaded);
    return new Proxy(object, {
      get: (target, name) => {
        if (name === "uploaded") return uploaded;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }
}
