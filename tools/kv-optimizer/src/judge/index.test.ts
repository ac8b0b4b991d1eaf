import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_QUOTAS, type KvCall, OPERATIONS, TRIGGER_KINDS, type WorkerConfig } from "../model.ts";
import { judge, quotaUse, rank } from "./index.ts";
import { SAMPLE_CONTEXT, sampleCall, sampleFinding, samplePath } from "./sample-call.ts";

function config(changes: Partial<WorkerConfig>): WorkerConfig {
  return {
    file: "wrangler.toml",
    environment: null,
    worker: "hub",
    main: "src/index.ts",
    kvBindings: ["KV"],
    otherBindings: [],
    crons: [],
    ...changes,
  };
}

const judgementOf = (changes: Partial<KvCall>, configs: readonly WorkerConfig[] = []) =>
  judge(sampleCall(changes), { ...SAMPLE_CONTEXT, configs });
const estimateOf = (changes: Partial<KvCall>, configs: readonly WorkerConfig[] = []) =>
  judgementOf(changes, configs).estimate;

const NO_TTL = { verdict: "no", why: "It has no options." } as const;
const LOOP = { file: "src/index.ts", line: 3, column: 3, count: null };
const EVERY_FIVE = config({ crons: ["*/5 * * * *"] });

describe("the category", () => {
  it.each([
    [
      "a lock, read or written",
      { keys: ["lock:a"], operation: "get" },
      "A",
      "control-plane/lock",
      "durable-object",
    ],
    ["an idempotency key", { keys: ["dedupe:{id}"] }, "A", "control-plane/idempotency", "d1-unique"],
    ["a token", { keys: ["oauth:token"] }, "A", "control-plane/token", "d1"],
    ["a limiter", { keys: ["ratelimit:{ip}"] }, "B", "high-frequency/limiter", "durable-object"],
    ["a queue that is listed", { keys: ["queue:"], operation: "list" }, "A", "control-plane/queue", "d1"],
    ["a put in a loop", { loops: [LOOP] }, "B", "high-frequency/loop", "batch"],
    [
      "a put reached from a loop",
      { paths: [samplePath("cron", { loops: [LOOP] })] },
      "B",
      "high-frequency/loop",
      "batch",
    ],
    ["a put per request", { paths: [samplePath("request")] }, "B", "high-frequency/request", "batch"],
    ["a put per message", { paths: [samplePath("queue")] }, "B", "high-frequency/message", "batch"],
    [
      "a list per request",
      { paths: [samplePath("request")], operation: "list" },
      "B",
      "high-frequency/request",
      "d1",
    ],
    [
      "a delete per request",
      { paths: [samplePath("request")], operation: "delete" },
      "B",
      "high-frequency/request",
      "ttl",
    ],
    ["a read per request", { paths: [samplePath("request")], operation: "get" }, "C", "cache/read", "keep"],
    ["a put with a TTL", {}, "C", "cache/put", "keep"],
    ["a put without a TTL", { ttl: NO_TTL }, "C", "cache/put-without-ttl", "ttl"],
    [
      "a put whose TTL is not known",
      { ttl: { verdict: "unknown", why: "It is passed in." } },
      "C",
      "cache/put-unknown-ttl",
      "ttl",
    ],
    ["a list with a prefix", { operation: "list", keys: ["page:"] }, "C", "cache/list", "keep"],
    ["a list of everything", { operation: "list", keys: [] }, "C", "cache/list-all", "sharper-key"],
    ["a delete", { operation: "delete" }, "C", "cache/delete", "keep"],
    ["a loop of one round", { loops: [{ ...LOOP, count: 1 }] }, "C", "cache/put", "keep"],
  ] as const)("of %s", (_, changes, category, rule, target) => {
    expect(judgementOf(changes)).toMatchObject({ category, rule, target });
  });

  it("is B under a cron that is faster than the limit, and only then", () => {
    const call = { paths: [samplePath("cron")] };
    expect(judgementOf(call, [EVERY_FIVE]).rule).toBe("high-frequency/cron");
    expect(judgementOf(call, [config({ crons: ["*/15 * * * *"] })]).category).toBe("C");
    expect(judgementOf(call).category).toBe("C");
  });

  it("is A for the control plane, however often it is written", () => {
    expect(judgementOf({ keys: ["lock:a"], paths: [samplePath("request")], loops: [LOOP] }).category).toBe(
      "A",
    );
  });

  it("is a guess when nothing is known of the key", () => {
    expect(judgementOf({ keys: [] }).confidence).toBe("low");
    expect(judgementOf({}).confidence).toBe("medium");
    expect(judgementOf({ keys: ["cache:page:{id}"] }).confidence).toBe("high");
  });
});

describe("the estimate", () => {
  it("takes an annotated rate before everything else", () => {
    expect(estimateOf({ ratePerDay: 24, paths: [samplePath("request")], loops: [LOOP] })).toEqual({
      perDay: 24,
      basis: ["It is annotated with 24 a day."],
    });
  });

  it("is unknown when no handler is known to reach the call", () => {
    expect(estimateOf({})).toEqual({ perDay: null, basis: ["No handler is known to reach it."] });
  });

  it("multiplies a trigger by its loops, counted or assumed, and says which", () => {
    const loops = [LOOP, { ...LOOP, line: 4, count: 3 }];
    expect(estimateOf({ paths: [samplePath("request", { loops })] })).toEqual({
      perDay: 10_000 * 10 * 3,
      basis: [
        "10,000 requests a day are assumed to reach it through `src/index.ts#fetch`.",
        "The loop at src/index.ts:3:3 is assumed to run 10 times.",
        "The loop at src/index.ts:4:3 runs 3 times.",
      ],
    });
  });

  it("counts a loop once, whether a path or the call names it, or both do", () => {
    for (const changes of [
      { paths: [samplePath("request", { loops: [LOOP] })], loops: [LOOP] },
      { paths: [samplePath("request", { loops: [LOOP] })] },
      { paths: [samplePath("request")], loops: [LOOP] },
    ]) {
      expect(estimateOf(changes).perDay).toBe(100_000);
    }
  });

  it("adds the crons of an environment and takes the busiest environment", () => {
    const configs = [
      config({ crons: ["0 * * * *", "0 0 * * *"] }),
      config({ environment: "canary", crons: ["0 0 * * *"] }),
      config({ file: "other/wrangler.toml", main: "other/index.ts", crons: ["* * * * *"] }),
    ];
    expect(estimateOf({ paths: [samplePath("cron")] }, configs)).toEqual({
      perDay: 25,
      basis: ["`wrangler.toml`, the busiest of 2 environments, runs `0 * * * *`, `0 0 * * *`: 25 a day."],
    });
  });

  it("finds the config of an entry that a build replaces by the nearest folder", () => {
    const configs = [
      config({ file: "wrangler.toml", main: "dist/root.js", crons: ["* * * * *"] }),
      config({ file: "apps/hub/wrangler.toml", main: "apps/hub/dist/index.js", crons: ["0 0 * * *"] }),
    ];
    const paths = [samplePath("cron", { entry: "apps/hub/src/index.ts#scheduled" })];
    const { perDay, basis } = estimateOf({ paths }, configs);
    expect(perDay).toBe(1);
    expect(basis[0]).toContain("No config has `apps/hub/src/index.ts` as its entry");
  });

  it("does not guess a cron that no config gives", () => {
    expect(estimateOf({ paths: [samplePath("cron")] }, [config({})])).toEqual({
      perDay: null,
      basis: ["No wrangler config gives crons for `src/index.ts`."],
    });
  });

  it("adds the ways that lead to a call, and leaves out what is not known", () => {
    const paths = [samplePath("cron"), samplePath("request"), samplePath("startup"), samplePath("alarm")];
    const { perDay, basis } = estimateOf({ paths }, [EVERY_FIVE]);
    expect(perDay).toBe(288 + 10_000 + 1_000);
    expect(basis).toContain("How often a Worker starts is not known.");
    expect(basis).toContain("3 ways lead to it, which add up.");
  });

  it("stays a number, whatever the loops say", () => {
    const loops = [1e300, Number.NaN, -1, Infinity].map((count, line) => ({ ...LOOP, line, count }));
    expect(estimateOf({ paths: [samplePath("request", { loops })] }).perDay).toBe(1e15);
  });
});

const call: fc.Arbitrary<KvCall> = fc
  .record({
    operation: fc.constantFrom(...OPERATIONS),
    line: fc.integer({ min: 1, max: 3 }),
    column: fc.integer({ min: 1, max: 3 }),
    file: fc.constantFrom("src/a.ts", "src/b.ts"),
    keys: fc.subarray(["lock:{id}", "page:{id}", "ratelimit:{ip}", "{…}"]),
    paths: fc.array(
      fc.constantFrom(...TRIGGER_KINDS).map((trigger) => samplePath(trigger)),
      { maxLength: 4 },
    ),
    loops: fc.array(
      fc.record({
        file: fc.constant("src/a.ts"),
        line: fc.integer({ min: 1, max: 3 }),
        column: fc.constant(1),
        count: fc.option(fc.double({ min: 0, max: 50, noNaN: true })),
      }),
      { maxLength: 2 },
    ),
    ratePerDay: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
    ignored: fc.option(fc.constant("known")),
  })
  .map(sampleCall);

const findings = fc
  .array(call, { maxLength: 20 })
  .map((calls) => calls.map((each, index) => sampleFinding(each, `${index}`.padStart(16, "0"))));
const shuffled = findings.chain((all) =>
  fc.record({ all: fc.constant(all), mixed: fc.shuffledSubarray(all, { minLength: all.length }) }),
);

describe("judge", () => {
  it("does not depend on the order of the paths", () => {
    const mixed = call.chain((each) =>
      fc.record({
        each: fc.constant(each),
        paths: fc.shuffledSubarray([...each.paths], { minLength: each.paths.length }),
      }),
    );
    fc.assert(
      fc.property(mixed, ({ each, paths }) => {
        expect(judge({ ...each, paths }, SAMPLE_CONTEXT)).toEqual(judge(each, SAMPLE_CONTEXT));
      }),
    );
  });

  it("weighs a control-plane write above every other call, and a read below every write and list", () => {
    fc.assert(
      fc.property(call, ({ operation, ...rest }) => {
        const { category, weight } = judge({ operation, ...rest }, SAMPLE_CONTEXT);
        const isWrite = operation === "put" || operation === "delete";
        expect(weight >= 5_000).toBe(isWrite && category === "A");
        expect(weight < 1_000).toBe(operation === "get" || operation === "getWithMetadata");
      }),
    );
  });

  it("weighs in the documented order", () => {
    const weights = [
      judgementOf({ keys: ["lock:a"] }),
      judgementOf({ ratePerDay: 900 }),
      judgementOf({ ratePerDay: 100 }),
      judgementOf({ ttl: NO_TTL }),
      judgementOf({ operation: "list", ratePerDay: 500 }),
      judgementOf({}),
      judgementOf({ operation: "get", ratePerDay: 90_000 }),
      judgementOf({ operation: "get" }),
    ].map(({ weight }) => weight);
    expect(weights).toEqual(weights.toSorted((a, b) => b - a));
    expect(new Set(weights).size).toBe(weights.length);
  });
});

describe("rank", () => {
  it("is a total order of all findings, whatever their order was", () => {
    fc.assert(
      fc.property(shuffled, ({ all, mixed }) => {
        const ranked = rank(all);
        expect(rank(mixed)).toEqual(ranked);
        expect(ranked.map(({ id }) => id).toSorted()).toEqual(all.map(({ id }) => id));
        expect(rank(ranked)).toEqual(ranked);
      }),
    );
  });

  it("puts the heaviest first and what is ignored last", () => {
    fc.assert(
      fc.property(findings, (all) => {
        const keys = rank(all).map(
          ({ ignored, judgement }) => [Number(ignored !== null), -judgement.weight] as const,
        );
        const isSorted = keys.every((key, index) => {
          const before = keys[index - 1] ?? key;
          return before[0] < key[0] || (before[0] === key[0] && before[1] <= key[1]);
        });
        expect(isSorted).toBe(true);
      }),
    );
  });
});

describe("quotaUse", () => {
  it("adds up to what the findings that are not ignored say, whatever their order", () => {
    fc.assert(
      fc.property(shuffled, ({ all, mixed }) => {
        const uses = quotaUse(all);
        expect(quotaUse(mixed)).toEqual(uses);
        expect(uses.map(({ quota }) => quota)).toEqual(Object.keys(DAY_QUOTAS.free));
        const counted = all.filter(({ ignored }) => ignored === null);
        const known = counted.flatMap(({ judgement }) => judgement.estimate.perDay ?? []);
        const total = uses.reduce((sum, { perDay }) => sum + perDay, 0);
        expect(total).toBeCloseTo(
          known.reduce((sum, perDay) => sum + perDay, 0),
          3,
        );
        expect(uses.reduce((sum, { unknown }) => sum + unknown, 0)).toBe(counted.length - known.length);
      }),
    );
  });

  it("assigns each operation to its quota", () => {
    const use = quotaUse(
      OPERATIONS.map((operation, index) =>
        sampleFinding(sampleCall({ operation, ratePerDay: 10 ** index }), `${index}`),
      ),
    );
    expect(use.map(({ quota, perDay }) => [quota, perDay])).toEqual([
      ["reads", 11],
      ["writes", 100],
      ["deletes", 1_000],
      ["lists", 10_000],
    ]);
  });
});
