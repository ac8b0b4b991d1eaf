import { describe, expect, test } from "vitest";
import {
  OWNERSHIP,
  ignoredInputs,
  pulumiInputs,
  wranglerConfigFaults,
  type ResourceKind,
} from "./ownership.ts";
import { recordProgram } from "./test/recorded-resources.ts";
import { ENVIRONMENTS, WORKER_KEYS, topology } from "./topology.ts";
import { placeholderIds, renderWorker } from "../scripts/lib/render.ts";

const KINDS: Readonly<Record<string, ResourceKind>> = {
  "cloudflare:index/workersKvNamespace:WorkersKvNamespace": "kv-namespace",
  "cloudflare:index/d1Database:D1Database": "d1-database",
  "cloudflare:index/r2Bucket:R2Bucket": "r2-bucket",
  "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle": "r2-lifecycle",
  "cloudflare:index/queue:Queue": "queue",
  "cloudflare:index/worker:Worker": "worker",
  "cloudflare:index/workersCronTrigger:WorkersCronTrigger": "cron-trigger",
};

function duplicates(values: readonly string[]): readonly string[] {
  return values.filter((value, index) => values.indexOf(value) !== index);
}

describe("the one-owner table", () => {
  test("gives no field two owners", () => {
    expect(duplicates(OWNERSHIP.map(({ resource, field }) => `${resource} ${field}`))).toEqual([]);
  });

  test("gives no input of a Pulumi resource two owners", () => {
    const inputs = OWNERSHIP.flatMap(({ resource, input }) =>
      input === undefined ? [] : [`${resource} ${input}`],
    );
    expect(duplicates(inputs)).toEqual([]);
  });

  test("gives no key of a wrangler config two owners", () => {
    expect(duplicates(OWNERSHIP.flatMap(({ configKey }) => configKey ?? []))).toEqual([]);
  });

  test("names the fields of a Worker that wrangler changes", () => {
    expect(ignoredInputs("worker").toSorted()).toEqual([
      "logpush",
      "observability",
      "subdomain",
      "tags",
      "tailConsumers",
    ]);
  });
});

describe.each(ENVIRONMENTS)("in %s", (environment) => {
  test("the Pulumi program sets only what Pulumi owns, and ignores what wrangler owns", async () => {
    const { resources } = await recordProgram(topology(environment), "0123456789abcdef0123456789abcdef");
    const faults = resources.flatMap(({ type, name, inputs, ignoreChanges }) => {
      const kind = KINDS[type];
      if (kind === undefined) {
        return [`${name}: ${type} is not in the table`];
      }
      const owned = new Set(["accountId", ...pulumiInputs(kind)]);
      return [
        ...Object.keys(inputs).filter((input) => !owned.has(input)),
        ...ignoredInputs(kind).filter((input) => !ignoreChanges.includes(input)),
      ].map((input) => `${name}: ${input}`);
    });
    expect(faults).toEqual([]);
  });

  test.each(WORKER_KEYS)("the wrangler config of %s leaves alone what Pulumi owns", (worker) => {
    const paths = { root: "/repository", directory: "/repository/.wrangler/deploy" };
    const config = renderWorker(topology(environment), worker, placeholderIds(), paths);
    expect(wranglerConfigFaults(config)).toEqual([]);
  });
});

describe("a wrangler config", () => {
  test.each([
    [{ triggers: { crons: [] } }, "triggers: Pulumi owns the schedules of a cron-trigger"],
    [{ routes: ["example.com/*"] }, "routes: Pulumi owns the routes of a worker"],
    [
      { queues: { producers: [{ binding: "INGEST", queue: "q", delivery_delay: 5 }] } },
      "queues.producers[].delivery_delay: Pulumi owns the settings of a queue",
    ],
  ])("that touches a field of Pulumi's is found out: %o", (config, fault) => {
    expect(wranglerConfigFaults(config)).toEqual([fault]);
  });
});
