import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNumbers } from "../http/numbers.ts";
import { TRAFFIC_CLASSES, type RolloutPlan } from "./contract.ts";
import {
  completePlan,
  DEFAULT_GATE,
  definePlan,
  InvalidPlanError,
  planFaults,
  type PlanInput,
} from "./plan.ts";

const ALL = { read: 100, write: 100, background: 100 };
const SMALLEST: PlanInput = { phases: [{ shares: ALL }] };

function paths(input: PlanInput): readonly string[] {
  return planFaults(completePlan(input)).map(({ path }) => path);
}

describe("a plan as it is written", () => {
  it("needs nothing but its phases", () => {
    expect(definePlan(SMALLEST)).toEqual({
      intervalMs: 2_000,
      mirror: null,
      phases: [
        {
          name: "100 % of reads, 100 % of writes, 100 % of background",
          shares: ALL,
          soakMs: 60_000,
          initialDelayMs: 5_000,
          maxWaitMs: 1_800_000,
          gate: DEFAULT_GATE,
          approval: false,
          webhooks: [],
        },
      ],
      pre: [],
      post: [],
      onFail: "roll-back",
      fallbackReads: true,
      overdueMs: 3_000,
    });
  });

  it("carries a share on to the next phase where that says nothing of it", () => {
    const { phases } = definePlan({
      phases: [{ shares: { read: 10 } }, { shares: { write: 5 } }, { shares: ALL }],
    });
    expect(phases.map(({ shares }) => shares)).toEqual([
      { read: 10, write: 0, background: 0 },
      { read: 10, write: 5, background: 0 },
      ALL,
    ]);
  });

  it("takes what a gate leaves out from the plan's gate, then from the defaults", () => {
    const { phases } = definePlan({
      gate: { minSample: 20, latency: { slackMs: 10 } },
      phases: [
        { shares: { read: 10 }, gate: { latency: { tolerance: 1 } } },
        { shares: ALL, gate: { minSample: 7 } },
      ],
    });
    const each = (count: number) => ({ read: count, write: count, background: count });
    expect(phases.map(({ gate }) => [gate.minSample, gate.latency, gate.failLimit])).toEqual([
      [each(20), { tolerance: 1, slackMs: 10 }, DEFAULT_GATE.failLimit],
      [each(7), { tolerance: DEFAULT_GATE.latency.tolerance, slackMs: 10 }, DEFAULT_GATE.failLimit],
    ]);
  });

  it("may copy reads before its phases, all of them unless told, by the plan's gate", () => {
    const { mirror } = definePlan({
      ...SMALLEST,
      gate: { errorTolerance: 0.01 },
      mirror: { soakMs: 2_000, gate: { failLimit: 1 } },
    });
    expect(mirror).toEqual({
      read: 100,
      soakMs: 2_000,
      initialDelayMs: 2_000,
      maxWaitMs: 1_800_000,
      gate: { ...DEFAULT_GATE, errorTolerance: 0.01, failLimit: 1 },
    });
    expect(definePlan({ ...SMALLEST, mirror: null }).mirror).toBeNull();
  });

  it("waits for a long soak at least as long as it lasts", () => {
    const soakMs = 3 * 3_600_000;
    expect(definePlan({ phases: [{ shares: ALL, soakMs }] }).phases[0]).toMatchObject({ maxWaitMs: soakMs });
  });
});

describe("what is wrong with a plan", () => {
  it("is listed whole, with the path of each fault", () => {
    const faults = planFaults(
      completePlan({
        intervalMs: 10,
        overdueMs: 0.5,
        pre: [
          { name: "window", url: "gates.example/window" },
          { name: "window", url: "https://ops:secret@gates.example/window", timeoutMs: 0, retries: 11 },
        ],
        phases: [
          { shares: { read: 120 }, soakMs: 1_000, initialDelayMs: 2_000, maxWaitMs: 500 },
          {
            name: " ",
            shares: { read: 90, write: -1 },
            gate: { minSample: { read: -1 }, falseAlarm: 1, failLimit: 1.5 },
          },
        ],
      }),
    );
    expect(faults).toEqual([
      { path: "/intervalMs", message: "must be a whole number from 100 to 3600000, is 10" },
      { path: "/phases/0/shares/read", message: "must be a number from 0 to 100, is 120" },
      { path: "/phases/0/initialDelayMs", message: "must not exceed soakMs, which is 1000" },
      { path: "/phases/0/maxWaitMs", message: "must not be below soakMs, which is 1000" },
      { path: "/phases/1/name", message: "must not be empty" },
      { path: "/phases/1/shares/read", message: "never falls: it is 90 after 120 in the phase before" },
      { path: "/phases/1/shares/write", message: "must be a number from 0 to 100, is -1" },
      { path: "/phases/1/shares/background", message: "must be 100 in the last phase, is 0" },
      { path: "/phases/1/gate/minSample/read", message: "must be a whole number from 0 to 1000000, is -1" },
      { path: "/phases/1/gate/falseAlarm", message: "must be above 0 and below 1, is 1" },
      { path: "/phases/1/gate/failLimit", message: "must be a whole number from 1 to 1000000, is 1.5" },
      { path: "/pre/0/url", message: "must be an absolute http or https URL" },
      { path: "/pre/1/name", message: "another webhook beside it is named window" },
      {
        path: "/pre/1/url",
        message: "must not hold a user or a password: a plan is shown to whoever may see the rollout",
      },
      { path: "/pre/1/timeoutMs", message: "must be a whole number from 1 to 60000, is 0" },
      { path: "/pre/1/retries", message: "must be a whole number from 0 to 10, is 11" },
      { path: "/overdueMs", message: "must be a whole number from 1 to 300000, is 0.5" },
    ]);
  });

  it("includes what is wrong with its copies of reads", () => {
    const mirror = { read: 0, soakMs: 10, initialDelayMs: 20, maxWaitMs: 5, gate: { falseAlarm: 0 } };
    expect(planFaults(completePlan({ ...SMALLEST, mirror }))).toEqual([
      { path: "/mirror/read", message: "must be above 0: without copies, leave `mirror` out" },
      { path: "/mirror/initialDelayMs", message: "must not exceed soakMs, which is 10" },
      { path: "/mirror/maxWaitMs", message: "must not be below soakMs, which is 10" },
      { path: "/mirror/gate/falseAlarm", message: "must be above 0 and below 1, is 0" },
    ]);
    expect(paths({ ...SMALLEST, mirror: { read: 101 } })).toEqual(["/mirror/read"]);
    const wrong = { ...SMALLEST, mirror: { reads: 5 } } as unknown as PlanInput;
    expect(() => definePlan(wrong)).toThrow("/mirror/reads: there is no such field");
  });

  it("is told in one error that lists every fault", () => {
    const wrong = () => definePlan({ intervalMs: 1, phases: [{ shares: { read: 100, write: 100 } }] });
    expect(wrong).toThrow(InvalidPlanError);
    expect(wrong).toThrow(
      [
        "The rollout plan is not valid:",
        "  /intervalMs: must be a whole number from 100 to 3600000, is 1",
        "  /phases/0/shares/background: must be 100 in the last phase, is 0",
      ].join("\n"),
    );
  });

  it("includes that there are no phases, or too many", () => {
    expect(paths({ phases: [] })).toEqual(["/phases"]);
    const many = Array.from({ length: 21 }, () => ({ shares: ALL }));
    expect(paths({ phases: many })).toEqual(["/phases"]);
  });

  it("includes a phase that sends nothing to the canary: nothing could be judged", () => {
    expect(paths({ phases: [{ shares: {} }, { shares: ALL }] })).toEqual(["/phases/0/shares"]);
  });

  it("includes every field of a gate", () => {
    const gate = {
      minSample: { read: Number.NaN, write: 1, background: 1 },
      falseAlarm: 0,
      errorTolerance: -0.1,
      maxErrorShare: 2,
      latency: { tolerance: -1, slackMs: -1 },
      maxP95Ms: 0,
      numbers: { "a/b": { worse: "higher", tolerance: -1 } },
      failLimit: 0,
      passLimit: 0,
      errorLimit: 0,
    } as const;
    expect(paths({ phases: [{ shares: ALL, gate }] })).toEqual(
      [
        "minSample/read",
        "falseAlarm",
        "errorTolerance",
        "maxErrorShare",
        "latency/tolerance",
        "latency/slackMs",
        "maxP95Ms",
        "numbers/a~1b",
        "numbers/a~1b/tolerance",
        "failLimit",
        "passLimit",
        "errorLimit",
      ].map((field) => `/phases/0/gate/${field}`),
    );
  });

  it("includes too many webhooks, and those of phases and after the promotion", () => {
    const hooks = Array.from({ length: 11 }, (_, index) => ({
      name: `${index}`,
      url: "https://gates.example/",
    }));
    expect(paths({ ...SMALLEST, post: hooks })).toEqual(["/post"]);
    const file = { name: "local", url: "file:///etc/passwd" };
    expect(paths({ phases: [{ shares: ALL, webhooks: [file] }] })).toEqual(["/phases/0/webhooks/0/url"]);
  });

  it("allows the same webhook before, in and after the phases", () => {
    const hook = { name: "load-test", url: "http://127.0.0.1:8788/gate" };
    expect(paths({ phases: [{ shares: ALL, webhooks: [hook] }], pre: [hook], post: [hook] })).toEqual([]);
  });
});

describe("a plan that no compiler has read", () => {
  const faultsOf = (input: unknown): InvalidPlanError["faults"] => {
    try {
      definePlan(input as PlanInput);
      return [];
    } catch (error) {
      if (error instanceof InvalidPlanError) return error.faults;
      throw error;
    }
  };

  it("has its wrong types and unknown fields listed, each with its path", () => {
    const wrong = {
      onFail: "rollback",
      fallbackReads: "no",
      retries: 3,
      gate: { errorTolerence: 0.1, dryRun: "no", minSample: { reads: 5 }, latency: { slackMs: "50" } },
      pre: [{ name: 7, url: "https://gates.example/", method: "GET" }],
      phases: [{ shares: ALL, soak: 5, gate: { numbers: { found: { worse: "less", tolerance: 0.1 } } } }],
    };
    const told = faultsOf(wrong);
    expect(Object.fromEntries(told.map(({ path, message }) => [path, message]))).toEqual({
      "/onFail": "must be roll-back or freeze",
      "/fallbackReads": "must be true or false",
      "/retries": "there is no such field",
      "/gate/errorTolerence": "there is no such field",
      "/gate/dryRun": "must be true or false",
      "/gate/minSample/reads": "there is no such field",
      "/gate/latency/slackMs": "must be a number",
      "/pre/0/name": "must be a string",
      "/pre/0/method": "there is no such field",
      "/phases/0/soak": "there is no such field",
      "/phases/0/gate/numbers/found/worse": "must be higher or lower",
    });
    expect(told).toHaveLength(11);
  });

  it.each([undefined, null, 7, [], {}, { phases: {} }, { phases: [null] }, { phases: [{}] }])(
    "is refused with its faults, and not with a crash: %j",
    (input) => {
      expect(faultsOf(input).length).toBeGreaterThan(0);
    },
  );

  it("is looked at again where it is complete", () => {
    const plan = { ...completePlan(SMALLEST), onFail: "rollback" } as unknown as RolloutPlan;
    expect(planFaults(plan).map(({ path }) => path)).toEqual(["/onFail"]);
  });

  it.each(["records_read", "r", "a".repeat(40), "a".repeat(41), "cache-hit", "Rows", "1st", "_x", "a.b"])(
    "gates the numbers that can be reported: %s",
    (name) => {
      const gate = { numbers: { [name]: { worse: "lower", tolerance: 0.1 } } } as const;
      const reported = parseNumbers(`${name}=1`).has(name);
      expect(paths({ phases: [{ shares: ALL, gate }] })).toEqual(
        reported ? [] : [`/phases/0/gate/numbers/${name}`],
      );
    },
  );

  it("asks others over https only, but on this machine", () => {
    const asked = (url: string) => paths({ ...SMALLEST, pre: [{ name: "window", url }] });
    expect(asked("http://gates.example/window")).toEqual(["/pre/0/url"]);
    const local = ["localhost:8788", "127.0.0.1", "[::1]:80"].map((host) => asked(`http://${host}/`));
    expect(local).toEqual([[], [], []]);
  });
});

describe("for every plan that is accepted", () => {
  const share = fc.oneof(fc.integer({ min: -5, max: 105 }), fc.constantFrom(0, 10, 100, Number.NaN));
  const plan: fc.Arbitrary<RolloutPlan> = fc
    .array(fc.record({ read: share, write: share, background: share }), { maxLength: 4 })
    .chain((shares) =>
      fc
        .boolean()
        .map((complete) =>
          completePlan({ phases: [...shares, ...(complete ? [ALL] : [])].map((of) => ({ shares: of })) }),
        ),
    );

  it("shares are percentages that never fall and end complete; all others are refused", () => {
    fc.assert(
      fc.property(plan, (any) => {
        const phases = any.phases.map(({ shares }) => TRAFFIC_CLASSES.map((traffic) => shares[traffic]));
        const rises = TRAFFIC_CLASSES.every((_, column) =>
          phases.every((row, index) => {
            const value = row[column] ?? Number.NaN;
            return value >= (phases[index - 1]?.[column] ?? 0) && value <= 100;
          }),
        );
        const full = phases.at(-1)?.every((value) => value === 100) ?? false;
        const judged = phases.every((row) => row.some((value) => value > 0));
        expect(planFaults(any).length === 0).toBe(rises && full && judged);
      }),
      { numRuns: 500 },
    );
  });
});
