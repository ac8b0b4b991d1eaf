import { type Context, Hono } from "hono";
import { z } from "zod";
import type { KvNamespace } from "../state/resources.ts";
import { type Control, newHexId } from "./control.ts";
import { ok, paged } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { oneOf, wholeNumber } from "./query.ts";
import { ANY_KEY, body, faults, param, parseJson } from "./request.ts";

const MAX_TITLE_BYTES = 512;
const MAX_KEY_BYTES = 512;
const MAX_VALUE_BYTES = 25 * 1024 * 1024;
const MIN_TTL_SECONDS = 60;
const MAX_BULK_KEYS = 10_000;
const MAX_BULK_READ_KEYS = 100;
const PAGE = { perPage: 20, maxPerPage: 1000, code: CODE.KV_INVALID };
const KEYS = { standard: 1000, max: 1000, code: CODE.KV_INVALID };
const ROUTE = "/storage/kv/namespaces";

const titleSchema = z.object({ title: z.string().min(1).max(MAX_TITLE_BYTES) });

const keySchema = z
  .string()
  .min(1)
  .refine((key) => Buffer.byteLength(key) <= MAX_KEY_BYTES, `a key has at most ${MAX_KEY_BYTES} bytes`)
  .refine((key) => key !== "." && key !== "..", "a key must not be . or ..");

const expirySchema = z.object({
  expiration: z.coerce.number().int().positive().optional(),
  expiration_ttl: z.coerce.number().int().min(MIN_TTL_SECONDS).optional(),
});

const bulkSchema = z
  .array(
    expirySchema.extend({
      key: keySchema,
      value: z.string(),
      base64: z.boolean().optional(),
      metadata: z.unknown().optional(),
    }),
  )
  .max(MAX_BULK_KEYS);

interface PutOptions {
  expiration?: number;
  expirationTtl?: number;
  metadata?: unknown;
}

function putOptions(expiry: z.infer<typeof expirySchema>, metadata: unknown): PutOptions {
  return {
    ...(expiry.expiration === undefined ? {} : { expiration: expiry.expiration }),
    ...(expiry.expiration_ttl === undefined ? {} : { expirationTtl: expiry.expiration_ttl }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function shown(namespace: KvNamespace): unknown {
  return { id: namespace.id, title: namespace.title, supports_url_encoding: true };
}

function keyNotFound(): ApiError {
  return new ApiError(404, CODE.KV_KEY_NOT_FOUND, "get: 'key not found'");
}

/** The value and metadata of a put: raw, or as a form when metadata comes with it. */
async function putPayload(c: Context): Promise<{ value: ArrayBuffer; metadata: unknown }> {
  if (!(c.req.header("content-type") ?? "").startsWith("multipart/form-data")) {
    return { value: await c.req.arrayBuffer(), metadata: undefined };
  }
  const form = await c.req.formData();
  const value = form.get("value");
  const metadata = form.get("metadata");
  if (value === null) {
    throw new ApiError(400, CODE.KV_INVALID, "the form has no part named value");
  }
  const text = metadata === null ? null : typeof metadata === "string" ? metadata : await metadata.text();
  return {
    value: await new Blob([value]).arrayBuffer(),
    metadata: text === null || text === "" ? undefined : parseJson(z.unknown(), text, CODE.KV_INVALID),
  };
}

/** Namespaces: create, list, read, rename, delete. */
function namespaceRoutes(control: Control, find: (c: Context) => KvNamespace): Hono {
  const app = new Hono();
  const { store, changes } = control;

  function refuseTakenTitle(title: string, id: string | null): void {
    const holder = store.kv.byTitle(title);
    if (holder !== null && holder.id !== id) {
      throw new ApiError(
        400,
        CODE.KV_TITLE_EXISTS,
        `A namespace with this account ID and title already exists: ${title}`,
      );
    }
  }

  app.post(ROUTE, async (c) => {
    const { title } = await body(c, titleSchema, CODE.KV_INVALID);
    const namespace = { id: newHexId(), title };
    await changes.store(() => {
      refuseTakenTitle(title, null);
      store.kv.put(namespace);
    });
    return ok(c, shown(namespace));
  });

  app.get(ROUTE, (c) => {
    const order = oneOf(c, "order", ["title", "id"], CODE.KV_INVALID);
    const sign = oneOf(c, "direction", ["asc", "desc"], CODE.KV_INVALID) === "asc" ? 1 : -1;
    const sorted = store.kv.list().toSorted((a, b) => sign * a[order].localeCompare(b[order]));
    return paged(c, sorted.map(shown), PAGE);
  });

  app.get(`${ROUTE}/:namespace`, (c) => ok(c, shown(find(c))));

  app.put(`${ROUTE}/:namespace`, async (c) => {
    const { title } = await body(c, titleSchema, CODE.KV_INVALID);
    const renamed = await changes.store(() => {
      const namespace = find(c);
      refuseTakenTitle(title, namespace.id);
      const next = { ...namespace, title };
      store.kv.put(next);
      return next;
    });
    return ok(c, shown(renamed));
  });

  app.delete(`${ROUTE}/:namespace`, async (c) => {
    const { id } = find(c);
    await changes.deploy(() => store.kv.delete(id));
    await control.runtime.dropKv(id);
    return ok(c, {});
  });

  return app;
}

/** Single keys: value, metadata, list. */
function keyRoutes(control: Control, find: (c: Context) => KvNamespace): Hono {
  const app = new Hono();
  const { runtime } = control;

  app.get(`${ROUTE}/:namespace/keys`, async (c) => {
    const { id } = find(c);
    const { prefix, cursor } = c.req.query();
    const listed = await runtime.kv(id).list({
      limit: wholeNumber(c, "limit", KEYS),
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined || cursor === "" ? {} : { cursor }),
    });
    return ok(c, listed.keys, { count: listed.keys.length, cursor: listed.cursor ?? "" });
  });

  app.get(`${ROUTE}/:namespace/values/${ANY_KEY}`, async (c) => {
    const stored = await runtime.kv(find(c).id).get(param(c, "key"));
    if (stored === null) {
      throw keyNotFound();
    }
    return c.body(stored.value, 200, {
      "content-type": "application/octet-stream",
      ...(stored.expiration === undefined ? {} : { expiration: String(stored.expiration) }),
    });
  });

  app.get(`${ROUTE}/:namespace/metadata/${ANY_KEY}`, async (c) => {
    const stored = await runtime.kv(find(c).id).get(param(c, "key"));
    if (stored === null) {
      throw keyNotFound();
    }
    return ok(c, stored.metadata ?? null);
  });

  app.put(`${ROUTE}/:namespace/values/${ANY_KEY}`, async (c) => {
    const { id } = find(c);
    const key = keySchema.safeParse(param(c, "key"));
    const expiry = expirySchema.safeParse(c.req.query());
    if (!key.success || !expiry.success) {
      const errors = [key, expiry].flatMap(({ error }) => (error === undefined ? [] : [faults(error)]));
      throw new ApiError(400, CODE.KV_INVALID, `Invalid put: ${errors.join("; ")}`);
    }
    const { value, metadata } = await putPayload(c);
    if (value.byteLength > MAX_VALUE_BYTES) {
      throw new ApiError(413, CODE.KV_INVALID, `a value has at most ${MAX_VALUE_BYTES} bytes`);
    }
    await runtime.kv(id).put(key.data, value, putOptions(expiry.data, metadata));
    return ok(c, {});
  });

  app.delete(`${ROUTE}/:namespace/values/${ANY_KEY}`, async (c) => {
    await runtime.kv(find(c).id).delete(param(c, "key"));
    return ok(c, {});
  });

  return app;
}

/** Many keys at once. */
function bulkRoutes(control: Control, find: (c: Context) => KvNamespace): Hono {
  const app = new Hono();
  const { runtime } = control;

  app.put(`${ROUTE}/:namespace/bulk`, async (c) => {
    const kv = runtime.kv(find(c).id);
    const entries = await body(c, bulkSchema, CODE.KV_INVALID);
    for (const { key, value, base64, metadata, ...expiry } of entries) {
      const bytes = base64 === true ? new Uint8Array(Buffer.from(value, "base64")).buffer : value;
      await kv.put(key, bytes, putOptions(expiry, metadata));
    }
    return ok(c, { successful_key_count: entries.length, unsuccessful_keys: [] });
  });

  async function deleteMany(c: Context): Promise<Response> {
    const kv = runtime.kv(find(c).id);
    const keys = await body(c, z.array(keySchema).max(MAX_BULK_KEYS), CODE.KV_INVALID);
    for (const key of keys) {
      await kv.delete(key);
    }
    return ok(c, { successful_key_count: keys.length, unsuccessful_keys: [] });
  }
  app.delete(`${ROUTE}/:namespace/bulk`, deleteMany);
  app.post(`${ROUTE}/:namespace/bulk/delete`, deleteMany);

  app.post(`${ROUTE}/:namespace/bulk/get`, async (c) => {
    const kv = runtime.kv(find(c).id);
    const schema = z.object({ keys: z.array(keySchema).max(MAX_BULK_READ_KEYS) });
    const { keys } = await body(c, schema, CODE.KV_INVALID);
    const values: Record<string, string | null> = {};
    for (const key of keys) {
      const stored = await kv.get(key);
      values[key] = stored === null ? null : Buffer.from(stored.value).toString("utf8");
    }
    return ok(c, { values });
  });

  return app;
}

/** `storage/kv`: namespaces, keys, bulk. */
export function kvRoutes(control: Control): Hono {
  function find(c: Context): KvNamespace {
    const id = param(c, "namespace");
    const namespace = control.store.kv.get(id);
    if (namespace === null) {
      throw new ApiError(404, CODE.KV_NAMESPACE_NOT_FOUND, `namespace not found: ${id}`);
    }
    return namespace;
  }
  const app = new Hono();
  app.route("/", namespaceRoutes(control, find));
  app.route("/", bulkRoutes(control, find));
  app.route("/", keyRoutes(control, find));
  return app;
}
