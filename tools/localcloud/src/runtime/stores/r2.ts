import { z } from "zod";
import { type R2Access, StoreRefusal } from "../contract.ts";
import { asciiJson } from "./ascii-json.ts";
import type { StoreClient } from "./store-client.ts";

/** An object's metadata precedes its bytes; this header says how long it is. */
const METADATA_SIZE = "cf-r2-metadata-size";

const objectSchema = z.object({
  name: z.string(),
  size: z.number(),
  etag: z.string(),
  uploaded: z.number(),
  httpFields: z.object({ contentType: z.string().optional() }).optional(),
});

const pageSchema = z.object({ objects: z.array(objectSchema), cursor: z.string().optional() });

/** Access to one bucket, over the interface that a Worker's R2 binding uses. */
export function openR2(bucketName: string, store: StoreClient): R2Access {
  const read = (request: object) =>
    store("R2", bucketName, "", {
      method: "GET",
      headers: { "cf-r2-request": asciiJson({ version: 1, ...request }) },
    });
  const write = (request: object, value?: ArrayBuffer) => {
    const metadata = new TextEncoder().encode(JSON.stringify({ version: 1, ...request }));
    return store("R2", bucketName, "", {
      method: "PUT",
      headers: { [METADATA_SIZE]: String(metadata.byteLength) },
      body: value === undefined ? metadata : Buffer.concat([metadata, new Uint8Array(value)]),
    });
  };
  return {
    async get(key) {
      const response = await read({ method: "get", object: key });
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.status === 404) return null;
      const { object, body } = parseObject(response, bytes);
      const contentType = object.httpFields?.contentType ?? null;
      return { body, etag: object.etag, size: object.size, contentType };
    },
    async put(key, body, { contentType }) {
      const httpFields = contentType === undefined ? {} : { contentType };
      const response = await write({ method: "put", object: key, httpFields }, body);
      const { object } = parseObject(response, new Uint8Array(await response.arrayBuffer()));
      return { etag: object.etag, size: object.size };
    },
    async delete(key) {
      const response = await write({ method: "delete", object: key });
      expectOk(response, await response.text());
    },
    async list({ prefix, cursor, limit }) {
      const response = await read({ method: "list", prefix, cursor, limit });
      const text = await response.text();
      expectOk(response, text);
      const page = pageSchema.parse(JSON.parse(text));
      const objects = page.objects.map(({ name, size, etag, uploaded }) => ({
        key: name,
        size,
        etag,
        lastModified: uploaded,
      }));
      return { objects, cursor: page.cursor ?? null };
    },
  };
}

function parseObject(response: Response, bytes: Uint8Array) {
  expectOk(response, "");
  const metadataSize = Number(response.headers.get(METADATA_SIZE));
  const object = objectSchema.parse(JSON.parse(new TextDecoder().decode(bytes.subarray(0, metadataSize))));
  return { object, body: bytes.slice(metadataSize).buffer };
}

/** @throws {StoreRefusal} with the simulator's sentence. */
function expectOk(response: Response, text: string): void {
  if (response.ok) return;
  const reason = response.headers.get("cf-r2-error") ?? text;
  if (response.status >= 500) throw new Error(reason || `R2 answered ${response.status}`);
  throw new StoreRefusal(sentenceOf(reason));
}

/** The sentence in the simulator's error, which is JSON. */
function sentenceOf(reason: string): string {
  try {
    return z.object({ message: z.string() }).parse(JSON.parse(reason)).message;
  } catch {
    return reason;
  }
}
