import { describe, expect, test } from "vitest";
import { connect } from "./api.ts";
import { kindOf } from "./kinds/index.ts";
import { createProvider } from "./provider.ts";

const accountId = "10ca1c10d0acc0010ca1c10d0acc0010";

/** Kinds of the real provider under the names that it gives them. */
const TYPES = {
  kv: "cloudflare:index/workersKvNamespace:WorkersKvNamespace",
  d1: "cloudflare:index/d1Database:D1Database",
  bucket: "cloudflare:index/r2Bucket:R2Bucket",
  lifecycle: "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle",
  queue: "cloudflare:index/queue:Queue",
  worker: "cloudflare:index/worker:Worker",
  cron: "cloudflare:index/workersCronTrigger:WorkersCronTrigger",
} as const;

const urn = (type: string): string => `urn:pulumi:local::strata::${type}::thing`;

const expiry = (maxAge: number) => ({
  id: "expire",
  enabled: true,
  conditions: { prefix: "" },
  deleteObjectsTransition: { condition: { type: "Age", maxAge } },
});

const queueSettings = { deliveryDelay: 0, deliveryPaused: false, messageRetentionPeriod: 345_600 };

describe("a plan", () => {
  test.each([
    ["a KV title", TYPES.kv, { title: "a" }, { title: "b" }, ["title"]],
    [
      "the read replication of a D1 database",
      TYPES.d1,
      { name: "a", readReplication: { mode: "disabled" } },
      { name: "a", readReplication: { mode: "auto" } },
      ["readReplication"],
    ],
    [
      "the storage class of a bucket",
      TYPES.bucket,
      { name: "a", storageClass: "Standard" },
      { name: "a", storageClass: "InfrequentAccess" },
      ["storageClass"],
    ],
    [
      "lifecycle rules",
      TYPES.lifecycle,
      { bucketName: "a", rules: [expiry(86_400)] },
      { bucketName: "a", rules: [expiry(172_800)] },
      ["rules"],
    ],
    [
      "the settings of a queue",
      TYPES.queue,
      { queueName: "a", settings: queueSettings },
      { queueName: "a", settings: { ...queueSettings, deliveryDelay: 5 } },
      ["settings"],
    ],
    ["the name of a queue", TYPES.queue, { queueName: "a" }, { queueName: "b" }, ["queueName"]],
    ["the name of a Worker", TYPES.worker, { name: "a" }, { name: "b" }, ["name"]],
    [
      "crons",
      TYPES.cron,
      { scriptName: "a", schedules: [{ cron: "7 * * * *" }] },
      { scriptName: "a", schedules: [{ cron: "8 * * * *" }] },
      ["schedules"],
    ],
  ])("updates %s in place", (_, type, before, after, changed) => {
    expect(kindOf(type).diff({ accountId, ...before }, { accountId, ...after })).toEqual({
      changed,
      replaces: [],
    });
  });

  test.each([
    ["D1 database", TYPES.d1, { name: "a" }, { name: "b" }, ["name"]],
    ["bucket", TYPES.bucket, { name: "a" }, { name: "b" }, ["name"]],
    [
      "bucket's location",
      TYPES.bucket,
      { name: "a", location: "weur" },
      { name: "a", location: "enam" },
      ["location"],
    ],
    [
      "bucket under lifecycle rules",
      TYPES.lifecycle,
      { bucketName: "a", rules: [] },
      { bucketName: "b", rules: [] },
      ["bucketName"],
    ],
    [
      "script under crons",
      TYPES.cron,
      { scriptName: "a", schedules: [] },
      { scriptName: "b", schedules: [] },
      ["scriptName"],
    ],
  ])("makes another %s of it when that is renamed", (_, type, before, after, replaces) => {
    expect(kindOf(type).diff({ accountId, ...before }, { accountId, ...after }).replaces).toEqual(replaces);
  });

  test.each(Object.values(TYPES))("moves a %s to another account by replacing it", (type) => {
    const inputs = { title: "a", name: "a", bucketName: "a", queueName: "a", scriptName: "a", schedules: [] };
    const other = "f".repeat(32);
    expect(kindOf(type).diff({ ...inputs, accountId }, { ...inputs, accountId: other }).replaces).toEqual([
      "accountId",
    ]);
  });

  test("takes what only the API says for no change", () => {
    const state = {
      accountId,
      queueName: "a",
      settings: queueSettings,
      queueId: "1",
      consumersTotalCount: 1,
      modifiedOn: "2026-11-21T00:00:00Z",
    };
    expect(
      kindOf(TYPES.queue).diff(state, { accountId, queueName: "a", settings: queueSettings }).changed,
    ).toEqual([]);
  });

  test("takes the API's null for what a program leaves out", () => {
    const observability = { enabled: true, headSamplingRate: 1, issues: null, traces: null };
    const wanted = { enabled: true, headSamplingRate: 1 };
    expect(
      kindOf(TYPES.worker).diff(
        { accountId, name: "a", observability },
        { accountId, name: "a", observability: wanted },
      ).changed,
    ).toEqual([]);
  });

  test("reads the API's capitals of a location as the program's small letters", () => {
    const wanted = { accountId, name: "a", location: "weur" };
    expect(kindOf(TYPES.bucket).diff({ accountId, name: "a", location: "WEUR" }, wanted).changed).toEqual([]);
  });

  test("resets a Worker's field that the program no longer sets, as the real provider does", () => {
    const state = { accountId, name: "a", tags: ["old"] };
    expect(kindOf(TYPES.worker).diff(state, { accountId, name: "a" }).changed).toEqual(["tags"]);
  });
});

describe("inputs", () => {
  const provider = createProvider(
    connect({ baseUrl: "http://127.0.0.1:9/client/v4", apiToken: "t" }),
    () => {},
  );

  test("that are wrong are refused with their paths", async () => {
    const news = { accountId, bucketName: "a", rules: [{ ...expiry(86_400), enabled: "yes" }] };
    const result = await provider.check?.(urn(TYPES.lifecycle), {}, news);
    expect(result?.failures).toMatchObject([{ property: "rules.0.enabled" }]);
  });

  test("of a resource in a component are checked by the resource's own type", async () => {
    const nested = urn(`strata:index:Group$${TYPES.kv}`);
    const result = await provider.check?.(nested, {}, { accountId, title: "a" });
    expect(result?.failures).toEqual([]);
  });

  test("of a kind that the stand-in does not have are refused with the kinds that it has", async () => {
    const unknown = urn("cloudflare:index/workersScript:WorkersScript");
    await expect(provider.check?.(unknown, {}, {})).rejects.toThrow(
      /does not know ".*WorkersScript"; it knows .*Queue/,
    );
  });
});
