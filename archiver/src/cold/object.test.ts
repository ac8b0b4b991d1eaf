import { createHash } from "node:crypto";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import { gatedBucket, Killed, killingGate } from "../../test/faults.ts";
import { ObjectConflict, ObjectWriter, PART_BYTES, putOnce, storedSha256 } from "./object.ts";

useStorage();

const KEY = "flights/2026_11_20/1-2-1-0123456789ab.avro";
const LABELS = { table: "flights", period: "2026_11_20", fingerprint: "ab".repeat(32) };

/** Bytes that differ from place to place, so that a part in the wrong place shows. */
function patterned(size: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index += 1) bytes[index] = (index * 31 + (index >>> 12) + salt) & 0xff;
  return bytes;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const fileOf = (bytes: Uint8Array): typeof LABELS & { readonly sha256: string } => ({
  ...LABELS,
  sha256: sha256(bytes),
});

async function stored(key = KEY): Promise<Uint8Array | null> {
  const object = await env.COLD.get(key);
  return object === null ? null : new Uint8Array(await object.arrayBuffer());
}

/** A bucket that keeps a list of its operations; uploaded parts by their size. */
function watched(): { readonly bucket: R2Bucket; readonly log: string[] } {
  const log: string[] = [];
  const bucket = new Proxy(env.COLD, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...values: unknown[]) => {
        log.push(String(name));
        const result: unknown = await member.apply(target, values);
        return name === "createMultipartUpload" ? watchedUpload(result as R2MultipartUpload, log) : result;
      };
    },
  });
  return { bucket, log };
}

function watchedUpload(upload: R2MultipartUpload, log: string[]): R2MultipartUpload {
  return {
    key: upload.key,
    uploadId: upload.uploadId,
    uploadPart: (number, value) => {
      log.push(`part ${number}: ${(value as Uint8Array).byteLength}`);
      return upload.uploadPart(number, value);
    },
    abort: () => {
      log.push("abort");
      return upload.abort();
    },
    complete: (parts) => {
      log.push("complete");
      return upload.complete(parts);
    },
  };
}

const equal = (a: Uint8Array | null, b: Uint8Array): boolean => a !== null && Buffer.compare(a, b) === 0;

describe("a file that is put", () => {
  it.each([
    ["at once up to 5 MiB", PART_BYTES, ["put"]],
    [
      "in equal parts above",
      2 * PART_BYTES + 1,
      [
        "head",
        "createMultipartUpload",
        `part 1: ${PART_BYTES}`,
        `part 2: ${PART_BYTES}`,
        "part 3: 1",
        "complete",
      ],
    ],
  ])("is stored %s, with its checksum and what it is", async (_, size, operations) => {
    const bytes = patterned(size);
    const { bucket, log } = watched();
    const before = Date.now();
    const uploaded = await putOnce(bucket, KEY, fileOf(bytes), bytes);
    expect(log).toEqual(operations);
    expect(uploaded).toBeGreaterThanOrEqual(before - 1);
    expect(equal(await stored(), bytes)).toBe(true);
    const head = await env.COLD.head(KEY);
    expect(head === null ? null : storedSha256(head)).toBe(sha256(bytes));
    expect(head?.customMetadata).toMatchObject(LABELS);
    expect(head?.httpMetadata).toEqual({ contentType: "application/avro" });
    expect(head?.uploaded.getTime()).toBe(uploaded);
  });

  it.each([
    ["small", 10],
    ["large", PART_BYTES + 10],
  ])("finds an equal object in its place and answers when that was stored: %s", async (_, size) => {
    const bytes = patterned(size);
    const first = await putOnce(env.COLD, KEY, fileOf(bytes), bytes);
    expect(await putOnce(env.COLD, KEY, fileOf(bytes), bytes)).toBe(first);
    expect((await env.COLD.list()).objects).toHaveLength(1);
  });

  it.each([
    ["small", 10],
    ["large", PART_BYTES + 10],
  ])("never replaces another object: %s", async (_, size) => {
    const [mine, other] = [patterned(size), patterned(size, 1)];
    await putOnce(env.COLD, KEY, fileOf(other), other);
    await expect(putOnce(env.COLD, KEY, fileOf(mine), mine)).rejects.toThrow(ObjectConflict);
    expect(equal(await stored(), other)).toBe(true);
  });

  it("is refused by R2 when its bytes are not those of its checksum", async () => {
    await expect(putOnce(env.COLD, KEY, fileOf(patterned(10, 1)), patterned(10))).rejects.toThrow("10037");
    expect(await stored()).toBeNull();
  });

  it("gives its parts up when one of them fails", async () => {
    const { bucket, log } = watched();
    const failing = new Proxy(bucket, {
      get(target, name) {
        if (name !== "createMultipartUpload") return Reflect.get(target, name);
        return async (key: string, options: R2MultipartOptions) => ({
          ...(await target.createMultipartUpload(key, options)),
          uploadPart: () => Promise.reject(new Error("We encountered an internal error. (10001)")),
        });
      },
    });
    const bytes = patterned(PART_BYTES + 1);
    await expect(putOnce(failing, KEY, fileOf(bytes), bytes)).rejects.toThrow("10001");
    expect(log).toEqual(["head", "createMultipartUpload", "abort"]);
    expect(await stored()).toBeNull();
  });
});

describe("a streamed object", () => {
  async function stream(bucket: R2Bucket, bytes: Uint8Array, step: number, sha?: string): Promise<R2Object> {
    const writer = new ObjectWriter(bucket, KEY, LABELS);
    for (let start = 0; start < bytes.length; start += step) {
      await writer.write(bytes.subarray(start, start + step));
    }
    return writer.finish(sha);
  }

  it.each([
    ["one byte short of two parts", 2 * PART_BYTES - 1, ["part 1: 5242880", "part 2: 5242879"]],
    ["two parts", 2 * PART_BYTES, ["part 1: 5242880", "part 2: 5242880"]],
    ["one byte more", 2 * PART_BYTES + 1, ["part 1: 5242880", "part 2: 5242880", "part 3: 1"]],
  ])("is cut into equal parts but for the last: %s", async (_, size, parts) => {
    const bytes = patterned(size);
    const { bucket, log } = watched();
    const object = await stream(bucket, bytes, 777_777);
    expect(object.size).toBe(size);
    expect(log).toEqual(["createMultipartUpload", ...parts, "complete"]);
    expect(equal(await stored(), bytes)).toBe(true);
  });

  it("is cut alike when it comes in one write that is larger than several parts", async () => {
    const bytes = patterned(3 * PART_BYTES + 5);
    const { bucket, log } = watched();
    await stream(bucket, bytes, bytes.length);
    expect(log.filter((entry) => entry.startsWith("part"))).toEqual([
      "part 1: 5242880",
      "part 2: 5242880",
      "part 3: 5242880",
      "part 4: 5",
    ]);
    expect(equal(await stored(), bytes)).toBe(true);
  });

  it("is put at once when it is small, and refuses to replace another", async () => {
    const bytes = patterned(PART_BYTES);
    const { bucket, log } = watched();
    await stream(bucket, bytes, 1_000_000, sha256(bytes));
    expect(log).toEqual(["put"]);
    const head = await env.COLD.head(KEY);
    expect(head === null ? null : storedSha256(head)).toBe(sha256(bytes));
    await expect(stream(bucket, patterned(9), 3)).rejects.toThrow(ObjectConflict);
    expect(equal(await stored(), bytes)).toBe(true);
  });

  it("says of no checksum when it went in parts", async () => {
    const object = await stream(env.COLD, patterned(PART_BYTES + 1), 1_000_000);
    expect(storedSha256(object)).toBeNull();
  });

  it.each([
    ["small", 100],
    ["large", 2 * PART_BYTES],
  ])("leaves nothing when it is given up: %s", async (_, size) => {
    const { bucket, log } = watched();
    const writer = new ObjectWriter(bucket, KEY, LABELS);
    await writer.write(patterned(size));
    await writer.abort();
    expect(log.includes("abort")).toBe(size > PART_BYTES);
    expect(await stored()).toBeNull();
  });

  it("is not visible before its end, wherever its writer dies", async () => {
    const bytes = patterned(2 * PART_BYTES + 3);
    const counting = killingGate(Number.POSITIVE_INFINITY, "before");
    await stream(uploadGated(counting.gate), bytes, 1_000_000);
    expect(counting.log).toHaveLength(5);
    await env.COLD.delete(KEY);
    for (const moment of ["before", "after"] as const) {
      for (let at = 0; at < counting.log.length; at += 1) {
        const { gate } = killingGate(at, moment);
        await expect(stream(uploadGated(gate), bytes, 1_000_000)).rejects.toThrow(Killed);
        const ended = moment === "after" && at === counting.log.length - 1;
        const left = await stored();
        expect(ended ? equal(left, bytes) : left === null).toBe(true);
        await env.COLD.delete(KEY);
      }
    }
  });

  /** A gated bucket whose uploads pass the gate as well, part by part. */
  function uploadGated(gate: Parameters<typeof gatedBucket>[0]): R2Bucket {
    return new Proxy(gatedBucket(gate), {
      get(target, name) {
        if (name !== "createMultipartUpload") return Reflect.get(target, name);
        return async (key: string, options: R2MultipartOptions): Promise<Partial<R2MultipartUpload>> => {
          const upload = await target.createMultipartUpload(key, options);
          return {
            uploadPart: (number, value) => gate(`part ${number}`, () => upload.uploadPart(number, value)),
            complete: (parts) => gate("complete", () => upload.complete(parts)),
          };
        };
      },
    });
  }
});
