import { beforeAll, describe, expect, test } from "vitest";
import { parseStackOutputs } from "./outputs.ts";
import { recordProgram, type RecordedResource } from "./test/recorded-resources.ts";
import { ENVIRONMENTS, defaultSettings, topology, type Environment } from "./topology.ts";

const ACCOUNT_ID = "0123456789abcdef0123456789abcdef";
const DAY = 86_400;

const KV = "cloudflare:index/workersKvNamespace:WorkersKvNamespace";
const D1 = "cloudflare:index/d1Database:D1Database";
const R2 = "cloudflare:index/r2Bucket:R2Bucket";
const LIFECYCLE = "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle";
const QUEUE = "cloudflare:index/queue:Queue";
const WORKER = "cloudflare:index/worker:Worker";
const CRON = "cloudflare:index/workersCronTrigger:WorkersCronTrigger";

const ABORT_AFTER_7_DAYS = {
  id: "abort-multipart-7d",
  enabled: true,
  conditions: { prefix: "" },
  abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 7 * DAY } },
};

function expireAfter(days: number) {
  return {
    id: `expire-${days}d`,
    enabled: true,
    conditions: { prefix: "" },
    deleteObjectsTransition: { condition: { type: "Age", maxAge: days * DAY } },
  };
}

/** What differs between the three stacks; everything else is the same. */
const STACKS = {
  local: {
    suffix: "-local",
    cold: 30,
    crons: ["*/5 * * * *"],
    retention: 4 * DAY,
    protect: false,
    retain: false,
  },
  staging: {
    suffix: "-staging",
    cold: 30,
    crons: ["7 * * * *"],
    retention: 4 * DAY,
    protect: true,
    retain: false,
  },
  production: {
    suffix: "",
    cold: null,
    crons: ["7 * * * *"],
    retention: 14 * DAY,
    protect: true,
    retain: true,
  },
} as const satisfies Record<Environment, unknown>;

describe.each(ENVIRONMENTS)("the program for %s", (environment) => {
  const stack = STACKS[environment];
  let resources: readonly RecordedResource[];
  let outputs: unknown;

  beforeAll(async () => {
    ({ resources, outputs } = await recordProgram(topology(environment), ACCOUNT_ID));
  });

  const inputsOf = (type: string): Record<string, unknown> =>
    Object.fromEntries(
      resources.filter((resource) => resource.type === type).map(({ name, inputs }) => [name, inputs]),
    );

  test("declares the KV namespaces", () => {
    expect(inputsOf(KV)).toEqual({
      "kv-cache": { accountId: ACCOUNT_ID, title: `strata-cache${stack.suffix}` },
      "kv-snapshots": { accountId: ACCOUNT_ID, title: `strata-snapshots${stack.suffix}` },
    });
  });

  test("declares the D1 databases, their read replication said outright", () => {
    const database = (name: string) => ({
      accountId: ACCOUNT_ID,
      name: `strata-${name}${stack.suffix}`,
      readReplication: { mode: "disabled" },
    });
    expect(inputsOf(D1)).toEqual({ "d1-hub": database("hub"), "d1-archive": database("archive") });
  });

  test("declares the R2 buckets", () => {
    const bucket = (name: string) => ({
      accountId: ACCOUNT_ID,
      name: `strata-${name}${stack.suffix}`,
      storageClass: "Standard",
    });
    expect(inputsOf(R2)).toEqual({
      "r2-media": bucket("media"),
      "r2-cold": bucket("cold"),
      "r2-backups": bucket("backups"),
    });
  });

  test("aborts unfinished uploads after 7 days everywhere, and expires what may expire, in seconds", () => {
    const rules = (name: string, ...list: readonly unknown[]) => ({
      accountId: ACCOUNT_ID,
      bucketName: `strata-${name}${stack.suffix}`,
      rules: list,
    });
    expect(inputsOf(LIFECYCLE)).toEqual({
      "r2-media-lifecycle": rules("media", ABORT_AFTER_7_DAYS),
      "r2-cold-lifecycle": rules(
        "cold",
        ABORT_AFTER_7_DAYS,
        ...(stack.cold === null ? [] : [expireAfter(stack.cold)]),
      ),
      "r2-backups-lifecycle": rules("backups", ABORT_AFTER_7_DAYS, expireAfter(90)),
    });
  });

  test("declares the queues with all of their settings", () => {
    const queue = (name: string) => ({
      accountId: ACCOUNT_ID,
      queueName: `strata-${name}${stack.suffix}`,
      settings: { deliveryDelay: 0, deliveryPaused: false, messageRetentionPeriod: stack.retention },
    });
    expect(inputsOf(QUEUE)).toEqual({
      "queue-ingest": queue("ingest"),
      "queue-ingest-dlq": queue("ingest-dlq"),
    });
  });

  test("declares the Workers as names without code", () => {
    const shell = (name: string) => ({ accountId: ACCOUNT_ID, name: `strata-${name}${stack.suffix}` });
    expect(inputsOf(WORKER)).toEqual({
      "worker-hub": shell("hub"),
      "worker-hub-canary": shell("hub-canary"),
      "worker-archiver": shell("archiver"),
      "worker-archiver-canary": shell("archiver-canary"),
    });
  });

  test("declares cron triggers for the one Worker that has any", () => {
    expect(inputsOf(CRON)).toEqual({
      "cron-archiver": {
        accountId: ACCOUNT_ID,
        scriptName: `strata-archiver${stack.suffix}`,
        schedules: stack.crons.map((cron) => ({ cron })),
      },
    });
  });

  test("declares nothing else", () => {
    const known = new Set([KV, D1, R2, LIFECYCLE, QUEUE, WORKER, CRON]);
    expect(resources.filter(({ type }) => !known.has(type))).toEqual([]);
  });

  test(`${stack.protect ? "protects" : "does not protect"} databases, buckets and Workers`, () => {
    const holders = resources.filter(({ type }) => type === D1 || type === R2 || type === WORKER);
    expect(holders).toHaveLength(9);
    expect(holders.map(({ name, protect }) => [name, protect])).toEqual(
      holders.map(({ name }) => [name, stack.protect]),
    );
  });

  test("protects nothing that may be made again", () => {
    const rest = resources.filter(({ type }) => type !== D1 && type !== R2 && type !== WORKER);
    expect(rest.filter(({ protect }) => protect)).toEqual([]);
  });

  test(`${stack.retain ? "keeps" : "does not keep"} databases and buckets when the stack is destroyed`, () => {
    const data = resources.filter(({ type }) => type === D1 || type === R2);
    expect(new Set(data.map(({ retainOnDelete }) => retainOnDelete))).toEqual(new Set([stack.retain]));
  });

  test("ignores on Workers, and on nothing else, the fields that wrangler changes", () => {
    const ignoring = resources.filter(({ ignoreChanges }) => ignoreChanges.length > 0);
    expect(ignoring.map(({ type }) => type)).toEqual([WORKER, WORKER, WORKER, WORKER]);
    for (const { ignoreChanges } of ignoring) {
      expect(ignoreChanges.toSorted()).toEqual([
        "logpush",
        "observability",
        "subdomain",
        "tags",
        "tailConsumers",
      ]);
    }
  });

  test("puts out every id, and the settings that the Workers get", () => {
    expect(parseStackOutputs(outputs, "The program")).toEqual({
      accountId: ACCOUNT_ID,
      kv: { cache: "kv-cache-id", snapshots: "kv-snapshots-id" },
      d1: { hub: "d1-hub-id", archive: "d1-archive-id" },
      r2: {
        media: `strata-media${stack.suffix}`,
        cold: `strata-cold${stack.suffix}`,
        backups: `strata-backups${stack.suffix}`,
      },
      queues: {
        ingest: { id: "queue-ingest-id", name: `strata-ingest${stack.suffix}` },
        "ingest-dlq": { id: "queue-ingest-dlq-id", name: `strata-ingest-dlq${stack.suffix}` },
      },
      workers: {
        hub: { id: "worker-hub-id", name: `strata-hub${stack.suffix}` },
        "hub-canary": { id: "worker-hub-canary-id", name: `strata-hub-canary${stack.suffix}` },
        archiver: { id: "worker-archiver-id", name: `strata-archiver${stack.suffix}` },
        "archiver-canary": {
          id: "worker-archiver-canary-id",
          name: `strata-archiver-canary${stack.suffix}`,
        },
      },
      settings: defaultSettings(environment),
    });
  });
});

describe("the outputs of a stack", () => {
  test("that an older program made are refused with every missing one named", () => {
    expect(() => parseStackOutputs({ accountId: ACCOUNT_ID, kv: { cache: "1" } }, 'Stack "staging"')).toThrow(
      /^Stack "staging" does not hold the outputs of this program:\n.*kv\.snapshots.*\n.*d1/,
    );
  });
});
