import { type Context, Hono } from "hono";
import { z } from "zod";
import type { R2BucketRecord } from "../state/resources.ts";
import type { Control } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { oneOf, wholeNumber } from "./query.ts";
import { ANY_KEY, body, param } from "./request.ts";

const ROUTE = "/r2/buckets";
const STORAGE_CLASSES = ["Standard", "InfrequentAccess"] as const;
const BUCKETS = { standard: 20, max: 1000, code: CODE.R2_INVALID };
const OBJECTS = { standard: 1000, max: 1000, code: CODE.R2_INVALID };
const MAX_LIFECYCLE_RULES = 1000;

/** What R2 gives every new bucket. */
const DEFAULT_LIFECYCLE = [
  {
    id: "Default Multipart Abort Rule",
    enabled: true,
    conditions: { prefix: "" },
    abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 7 * 86_400 } },
  },
];

const storageClass = z.enum(STORAGE_CLASSES);

const createSchema = z.object({
  name: z.string(),
  locationHint: z.string().optional(),
  storageClass: storageClass.optional(),
});

const BUCKET_NAME = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

const age = z.object({ type: z.literal("Age"), maxAge: z.number().int().min(0) });
const condition = z.discriminatedUnion("type", [
  age,
  z.object({ type: z.literal("Date"), date: z.iso.datetime({ offset: true }) }),
]);

const ruleSchema = z.object({
  id: z.string().min(1).max(255),
  enabled: z.boolean(),
  conditions: z.object({ prefix: z.string().default("") }),
  abortMultipartUploadsTransition: z.object({ condition: age }).optional(),
  deleteObjectsTransition: z.object({ condition }).optional(),
  storageClassTransitions: z
    .array(z.object({ condition, storageClass: z.literal("InfrequentAccess") }))
    .optional(),
});

const lifecycleSchema = z.object({
  rules: z
    .array(ruleSchema)
    .max(MAX_LIFECYCLE_RULES)
    .default([])
    .refine((rules) => new Set(rules.map(({ id }) => id)).size === rules.length, "rule ids must be unique"),
});

function shown(bucket: R2BucketRecord): unknown {
  return {
    name: bucket.name,
    creation_date: timestamp(bucket.createdAt),
    location: bucket.location ?? "WEUR",
    storage_class: bucket.storageClass,
    jurisdiction: "default",
  };
}

type FindBucket = (c: Context) => R2BucketRecord;

function bucketRoutes(control: Control, find: FindBucket): Hono {
  const app = new Hono();
  const { store, changes } = control;

  app.post(ROUTE, async (c) => {
    const request = await body(c, createSchema, CODE.R2_INVALID);
    if (!BUCKET_NAME.test(request.name)) {
      throw new ApiError(
        400,
        CODE.R2_INVALID_NAME,
        `The specified bucket name is not valid: ${request.name}`,
      );
    }
    const bucket: R2BucketRecord = {
      name: request.name,
      createdAt: control.now(),
      location: request.locationHint?.toUpperCase() ?? null,
      storageClass: request.storageClass ?? "Standard",
      lifecycle: DEFAULT_LIFECYCLE,
    };
    await changes.store(() => {
      if (store.r2.get(bucket.name) !== null) {
        throw new ApiError(
          409,
          CODE.R2_BUCKET_EXISTS,
          "The bucket you tried to create already exists, and you own it.",
        );
      }
      store.r2.put(bucket);
    });
    return ok(c, shown(bucket));
  });

  app.get(ROUTE, (c) => {
    const { name_contains: contains, start_after: startAfter, cursor } = c.req.query();
    const perPage = wholeNumber(c, "per_page", BUCKETS);
    oneOf(c, "order", ["name"], CODE.R2_INVALID);
    const ascending = oneOf(c, "direction", ["asc", "desc"], CODE.R2_INVALID) === "asc";
    const after = cursor || startAfter || null;
    const buckets = ascending ? store.r2.list() : store.r2.list().toReversed();
    const matching = buckets.filter(
      ({ name }) =>
        (after === null || (ascending ? name > after : name < after)) &&
        (contains === undefined || name.includes(contains)),
    );
    const page = matching.slice(0, perPage);
    const last = page.at(-1);
    return ok(
      c,
      { buckets: page.map(shown) },
      { per_page: perPage, cursor: matching.length > perPage && last !== undefined ? last.name : "" },
    );
  });

  app.get(`${ROUTE}/:bucket`, (c) => ok(c, shown(find(c))));

  app.patch(`${ROUTE}/:bucket`, async (c) => {
    const asked = storageClass.safeParse(c.req.header("cf-r2-storage-class"));
    if (!asked.success) {
      throw new ApiError(400, CODE.R2_INVALID, "cf-r2-storage-class must be Standard or InfrequentAccess");
    }
    const updated = await changes.store(() => {
      const next = { ...find(c), storageClass: asked.data };
      store.r2.put(next);
      return next;
    });
    return ok(c, shown(updated));
  });

  app.delete(`${ROUTE}/:bucket`, async (c) => {
    const { name } = find(c);
    const { objects } = await control.runtime.r2(name).list({ limit: 1 });
    if (objects.length > 0) {
      throw new ApiError(409, CODE.R2_BUCKET_NOT_EMPTY, "The bucket you tried to delete is not empty.");
    }
    await changes.deploy(() => store.r2.delete(name));
    await control.runtime.dropR2(name);
    return ok(c, {});
  });

  app.get(`${ROUTE}/:bucket/lifecycle`, (c) => ok(c, { rules: find(c).lifecycle }));

  app.put(`${ROUTE}/:bucket/lifecycle`, async (c) => {
    const { rules } = await body(c, lifecycleSchema, CODE.R2_INVALID);
    await changes.store(() => store.r2.put({ ...find(c), lifecycle: rules }));
    return ok(c, {});
  });

  return app;
}

function objectRoutes(control: Control, find: FindBucket): Hono {
  const app = new Hono();
  const { runtime } = control;

  app.get(`${ROUTE}/:bucket/objects`, async (c) => {
    const { prefix, cursor } = c.req.query();
    const listed = await runtime.r2(find(c).name).list({
      limit: wholeNumber(c, "per_page", OBJECTS),
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined || cursor === "" ? {} : { cursor }),
    });
    return ok(
      c,
      listed.objects.map(({ key, size, etag, lastModified }) => ({
        key,
        size,
        etag,
        last_modified: timestamp(lastModified),
      })),
      { cursor: listed.cursor ?? "", is_truncated: listed.cursor !== null },
    );
  });

  app.get(`${ROUTE}/:bucket/objects/${ANY_KEY}`, async (c) => {
    const object = await runtime.r2(find(c).name).get(param(c, "key"));
    if (object === null) {
      throw new ApiError(404, CODE.R2_KEY_NOT_FOUND, "The specified key does not exist.");
    }
    return c.body(object.body, 200, {
      "content-type": object.contentType ?? "application/octet-stream",
      etag: `"${object.etag}"`,
    });
  });

  app.put(`${ROUTE}/:bucket/objects/${ANY_KEY}`, async (c) => {
    const key = param(c, "key");
    const contentType = c.req.header("content-type");
    const stored = await runtime
      .r2(find(c).name)
      .put(key, await c.req.arrayBuffer(), contentType === undefined ? {} : { contentType });
    return ok(c, { key, etag: stored.etag, size: String(stored.size), version: stored.etag });
  });

  app.delete(`${ROUTE}/:bucket/objects/${ANY_KEY}`, async (c) => {
    const key = param(c, "key");
    await runtime.r2(find(c).name).delete(key);
    return ok(c, { key });
  });

  return app;
}

/** `r2/buckets`: buckets, lifecycle rules, objects. */
export function r2Routes(control: Control): Hono {
  function find(c: Context): R2BucketRecord {
    const name = param(c, "bucket");
    const bucket = control.store.r2.get(name);
    if (bucket === null) {
      throw new ApiError(404, CODE.R2_BUCKET_NOT_FOUND, `The specified bucket does not exist: ${name}`);
    }
    return bucket;
  }
  const app = new Hono();
  app.route("/", bucketRoutes(control, find));
  app.route("/", objectRoutes(control, find));
  return app;
}
