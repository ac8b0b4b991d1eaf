import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { canary, fail, hang } from "../../test/canaries.ts";
import { failingDatabase } from "../../test/letters.ts";
import { archiveRun } from "../archive/index.ts";
import type {
  BackgroundApi,
  BackgroundRunRequest,
  BackgroundRunResult,
  BackgroundSeries,
} from "../contract.ts";
import { ARCHIVE_LEASE, LEASE_TTL_MS, withLease } from "../manifest/index.ts";
import type { FailedStep } from "../schedule.ts";
import { probeCanary, type RunBindings, type RunKind, runInLanes } from "./run.ts";
import { isCanarys } from "./share.ts";

useStorage();

const BROKEN: BackgroundRunResult = {
  failed: [{ step: "archive", reason: "D1_ERROR: no such column: rows" }],
};
const FAILED_HERE: readonly FailedStep[] = [{ step: "archive", error: new Error("D1_ERROR: overloaded") }];

/** A stable archiver and its canary, with an order given for all of the background work. */
class Lanes {
  readonly archiver: TestArchiver;
  /** Runs by each lane. */
  readonly byCanary: BackgroundRunRequest[] = [];
  readonly here: RunKind[] = [];
  readonly bindings: RunBindings;

  constructor(
    run: BackgroundApi["run"],
    runHere: RunBindings["runHere"] = async () => [],
    db: D1Database = env.DB,
  ) {
    this.archiver = new TestArchiver({ canary: canary(fail, run) });
    this.bindings = {
      ...this.archiver.bindings,
      db,
      canary: canary(fail, (request) => {
        this.byCanary.push(request);
        return run(request);
      }),
      overdue: { cron: 20, probe: 20 },
      runHere: (kind) => {
        this.here.push(kind);
        return runHere(kind);
      },
    };
  }

  async cron(order: Parameters<TestArchiver["background"]>[0] = {}): Promise<readonly FailedStep[]> {
    await this.archiver.background(order);
    return runInLanes(EPOCH, this.bindings);
  }

  async probe(): Promise<void> {
    await this.archiver.background();
    await probeCanary(this.bindings);
  }

  async counted(lane: BackgroundSeries["lane"]): Promise<Partial<BackgroundSeries> | undefined> {
    const { series } = await this.archiver.background();
    const found = series.find((one) => one.lane === lane && one.route === "cron");
    if (found === undefined) return undefined;
    const { requests, errors, exceptions, overdue } = found;
    return { requests, errors, exceptions, overdue };
  }
}

const passes = async (): Promise<BackgroundRunResult> => ({ failed: [] });
const fails = async (): Promise<BackgroundRunResult> => BROKEN;
const ONE = { requests: 1, errors: 0, exceptions: 0, overdue: 0 };

describe("a cron", () => {
  it("is run by the canary when it falls into its share", async () => {
    const lanes = new Lanes(passes);
    expect(await lanes.cron()).toEqual([]);
    expect(lanes.byCanary).toEqual([
      { kind: "cron", holder: expect.stringMatching(/^canary cron [0-9a-f-]{36}$/) },
    ]);
    expect(lanes.here).toEqual([]);
    expect([await lanes.counted("canary"), await lanes.counted("stable")]).toEqual([ONE, undefined]);
  });

  it("is run here, and counted, when it does not", async () => {
    const share = 50;
    const time = Array.from({ length: 64 }, (_, hour) => EPOCH + hour).find(
      (at) => !isCanarys("r1", share, `cron ${at}`),
    );
    if (time === undefined) throw new Error("every cron is the canary's");
    const lanes = new Lanes(passes, async () => FAILED_HERE);
    await lanes.archiver.background({ share });
    expect(await runInLanes(time, lanes.bindings)).toEqual(FAILED_HERE);
    expect([lanes.byCanary, lanes.here]).toEqual([[], ["cron"]]);
    expect(await lanes.counted("stable")).toEqual({ ...ONE, errors: 1 });
  });

  it.each([
    ["there is no order", { rolloutId: null }],
    ["the share is 0", { share: 0 }],
    ["the order has expired", { validMs: 0 }],
  ])("is run here, and not counted, when %s", async (_, order) => {
    const lanes = new Lanes(passes);
    await lanes.cron(order);
    expect([lanes.byCanary, lanes.here]).toEqual([[], ["cron"]]);
    expect(await lanes.counted("stable")).toBeUndefined();
  });

  it.each([
    ["the order cannot be read", /FROM background_orders WHERE/],
    ["the hand-over cannot be noted", /INSERT INTO background_handovers/],
  ])("is run here when %s", async (_, statement) => {
    const lanes = new Lanes(passes, async () => [], failingDatabase(statement));
    expect(await lanes.cron()).toEqual([]);
    expect([lanes.byCanary, lanes.here]).toEqual([[], ["cron"]]);
  });

  it("succeeds although it cannot be counted", async () => {
    const lanes = new Lanes(fails, async () => [], failingDatabase(/INSERT INTO background_counts/));
    expect(await lanes.cron()).toEqual([]);
  });

  it.each<readonly [string, BackgroundApi["run"], object]>([
    ["throws", fail, { exceptions: 1, overdue: 0 }],
    ["never ends", hang, { exceptions: 0, overdue: 1 }],
    ["has a step that fails", fails, { exceptions: 0, overdue: 0 }],
    ["answers nothing", async () => undefined as never, { exceptions: 0, overdue: 0 }],
    ["answers in another form", async () => ({ failed: 0 }) as never, { exceptions: 0, overdue: 0 }],
  ])("whose run by the canary %s is run here, and the canary's failure is counted", async (_, run, how) => {
    const lanes = new Lanes(run);
    expect(await lanes.cron()).toEqual([]);
    expect([lanes.byCanary.length, lanes.here]).toEqual([1, ["cron"]]);
    expect(await lanes.counted("canary")).toEqual({ requests: 1, errors: 1, ...how });
    expect(await lanes.counted("stable")).toBeUndefined();
  });

  it.each([
    ["is no fault of its when the run here takes more than half of that time", 10.1, undefined],
    ["is its fault when the run here takes half of that time", 10, { ...ONE, errors: 1, overdue: 1 }],
  ])("whose run by the canary is overdue %s", async (_, took, expected) => {
    const lanes: Lanes = new Lanes(hang, async () => {
      lanes.archiver.now += took;
      return [];
    });
    expect(await lanes.cron()).toEqual([]);
    expect(await lanes.counted("canary")).toEqual(expected);
    expect(await countRows("background_handovers")).toBe(0);
  });

  it("whose run by the canary has failed is its fault however long the run here takes", async () => {
    const lanes: Lanes = new Lanes(fails, async () => {
      lanes.archiver.now += 20;
      return [];
    });
    await lanes.cron();
    expect(await lanes.counted("canary")).toEqual({ ...ONE, errors: 1 });
  });

  it("that fails in both lanes fails, and counts for neither", async () => {
    const lanes = new Lanes(fails, async () => FAILED_HERE);
    expect(await lanes.cron()).toEqual(FAILED_HERE);
    expect([await lanes.counted("canary"), await lanes.counted("stable")]).toEqual([undefined, undefined]);
  });

  it("is not kept waiting by a canary that hangs with the archive's lease, and commits nothing later", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1), flight(2)]);
    let wake = (): void => {};
    const sleeps = new Promise<void>((resolve) => (wake = resolve));
    const slow: D1Database = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name !== "batch") return member.bind(target);
        return async (statements: D1PreparedStatement[]) => {
          await sleeps;
          return target.batch(statements);
        };
      },
    });
    let late: Promise<unknown> = Promise.resolve();
    const lanes = new Lanes(
      ({ holder }) => {
        const run = archiveRun({ ...archiver.bindings, db: slow, holder });
        late = run;
        return run.then(() => ({ failed: [] }));
      },
      async () => {
        expect(await archiver.archive()).toMatchObject({ ran: true, records: 2 });
        return [];
      },
    );
    expect(await lanes.cron()).toEqual([]);
    wake();
    expect(await late).toMatchObject({ records: 0 });
    expect(await archiver.readAll()).toEqual([flight(1), flight(2)]);
    expect(await lanes.counted("canary")).toMatchObject({ requests: 1, errors: 1, overdue: 1 });
  });

  it("takes the lease from nobody else", async () => {
    const { bindings } = new TestArchiver();
    const lanes = new Lanes(fails);
    const other = await withLease({ ...bindings, holder: "an erasure" }, async ({ fence }) => {
      await lanes.cron();
      return { fence, row: await env.DB.prepare("SELECT * FROM leases").first() };
    });
    expect(other?.row).toEqual({
      name: ARCHIVE_LEASE,
      holder: "an erasure",
      fence: other?.fence,
      expires_at: bindings.now() + LEASE_TTL_MS,
    });
  });
});

describe("a probe", () => {
  it("is one small run on the canary, once a phase", async () => {
    const lanes = new Lanes(passes);
    await lanes.probe();
    await lanes.probe();
    expect(lanes.byCanary.map(({ kind }) => kind)).toEqual(["probe"]);
    expect(lanes.here).toEqual([]);
    await lanes.archiver.background({ phase: 2, revision: 2 });
    await probeCanary(lanes.bindings);
    expect(lanes.byCanary).toHaveLength(2);
    expect(await lanes.counted("canary")).toEqual(ONE);
  });

  it("is one run although many ask for it at once", async () => {
    const lanes = new Lanes(passes);
    await lanes.archiver.background();
    await Promise.all(Array.from({ length: 6 }, () => probeCanary(lanes.bindings)));
    expect(lanes.byCanary).toHaveLength(1);
  });

  it("that fails is held against a run here, and run again, three times at most", async () => {
    const lanes = new Lanes(fails);
    for (let time = 0; time < 5; time += 1) await lanes.probe();
    expect(lanes.byCanary).toHaveLength(3);
    expect(lanes.here).toEqual(["probe", "probe", "probe"]);
    expect(await lanes.counted("canary")).toEqual({ ...ONE, requests: 3, errors: 3 });
  });

  it("that is overdue on the canary, and slow here, counts for neither", async () => {
    const lanes: Lanes = new Lanes(hang, async () => {
      lanes.archiver.now += 11;
      return [];
    });
    for (let time = 0; time < 3; time += 1) await lanes.probe();
    expect(lanes.here).toEqual(["probe", "probe", "probe"]);
    expect(await lanes.counted("canary")).toBeUndefined();
  });

  it("that failed once and then succeeds is not run again", async () => {
    let runs = 0;
    const lanes = new Lanes(async () => ((runs += 1) === 1 ? BROKEN : { failed: [] }));
    for (let time = 0; time < 4; time += 1) await lanes.probe();
    expect(lanes.byCanary).toHaveLength(2);
    expect(await lanes.counted("canary")).toEqual({ ...ONE, requests: 2, errors: 1 });
  });

  it("whose invocation died is run again after a minute", async () => {
    const lanes = new Lanes(passes);
    await lanes.archiver.background({ validMs: 600_000 });
    await env.DB.prepare("INSERT INTO background_probes VALUES ('r1', 1, 1, 'running', ?1)")
      .bind(lanes.archiver.now)
      .run();
    await probeCanary(lanes.bindings);
    expect(lanes.byCanary).toHaveLength(0);
    lanes.archiver.now += 60_000;
    await probeCanary(lanes.bindings);
    expect(lanes.byCanary).toHaveLength(1);
  });

  it("is not made when the canary has no share", async () => {
    const lanes = new Lanes(passes);
    await lanes.archiver.background({ share: 0 });
    await probeCanary(lanes.bindings);
    expect(lanes.byCanary).toEqual([]);
  });
});
