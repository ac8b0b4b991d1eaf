import { beforeEach, describe, expect, it } from "vitest";
import { TestClock } from "../../../test/hub.ts";
import { FakeRollout } from "../../../test/lanes.ts";
import type { RolloutView } from "../view.ts";
import { BATCH_MS, Reporter, TRIES, type SendReport } from "./reporter.ts";
import type { Delta, PhaseKey, SeriesKey } from "./tally.ts";

interface Counted {
  readonly key: SeriesKey;
  readonly delta: Delta;
  readonly phase?: PhaseKey;
}

const PHASE_ONE: PhaseKey = { rolloutId: "rollout", phase: 1 };
const STABLE: SeriesKey = { lane: "stable", traffic: "read", route: "/read" };
const CANARY: SeriesKey = { ...STABLE, lane: "canary" };
const READ: Counted = { key: STABLE, delta: { requests: 1 } };
const CANARY_ERROR: Counted = { key: CANARY, delta: { requests: 1, errors: 1 } };

/** A clock whose sleepers wake when the test says so. */
class ManualClock extends TestClock {
  readonly #sleepers: (() => void)[] = [];

  override sleep(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }

  wake(ms: number): void {
    this.advance(ms);
    this.#sleepers.splice(0).forEach((resume) => resume());
  }
}

describe("Reporter", () => {
  let clock: ManualClock;
  let object: FakeRollout;
  let reporter: Reporter;
  let views: RolloutView[];
  let pending: Promise<void>[];

  const waitUntil = (work: Promise<void>): void => {
    pending.push(work);
  };
  const works: SendReport = (report) => Promise.resolve(object.receive(report));
  const count = ({ key, delta, phase = PHASE_ONE }: Counted, send: SendReport = works): void =>
    reporter.count(phase, key, delta, { send, waitUntil });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };

  beforeEach(() => {
    clock = new ManualClock();
    object = new FakeRollout();
    views = [];
    pending = [];
    reporter = new Reporter(clock, (view) => views.push(view));
  });

  it("sends the requests of 200 ms as one batch", async () => {
    for (let index = 0; index < 5; index += 1) count(READ);
    await settle();
    expect(object.reports).toEqual([]);
    expect(pending).toHaveLength(1);
    clock.wake(BATCH_MS);
    await Promise.all(pending);
    expect(object.reports).toHaveLength(1);
    expect(object.figures("stable")).toMatchObject({ requests: 5, errors: 0 });
  });

  it.each<Delta>([
    { requests: 1, errors: 1 },
    { errors: 1, exceptions: 1 },
    { exceptions: 1 },
    { requests: 1, overdue: 1 },
  ])(
    "sends at once when there is bad news of the canary, with what was counted before: %o",
    async (delta) => {
      count(READ);
      count({ key: CANARY, delta });
      await settle();
      expect(object.figures("stable")).toMatchObject({ requests: 1, errors: 0 });
      expect(object.figures("canary")).toMatchObject(delta);
    },
  );

  it("does not hurry for an error of the stable lane, nor for a canary that works", async () => {
    count({ key: STABLE, delta: { requests: 1, errors: 1, exceptions: 1, overdue: 1 } });
    count({ key: CANARY, delta: { requests: 1, latencyMs: 3, answer: "2xx application/json" } });
    await settle();
    expect(object.reports).toEqual([]);
  });

  it("gathers canary errors that come while a batch is on its way into the next batch", async () => {
    let answer = (): void => {};
    const slow: SendReport = (report) =>
      new Promise((resolve) => {
        answer = () => resolve(object.receive(report));
      });
    count(CANARY_ERROR, slow);
    for (let index = 0; index < 7; index += 1) count(CANARY_ERROR, works);
    await settle();
    answer();
    await settle();
    answer();
    await Promise.all(pending);
    expect(object.reports.map(({ sequence, series }) => [sequence, series[0]?.errors])).toEqual([
      [1, 1],
      [2, 7],
    ]);
  });

  it("passes on what the object answers, so that the isolate learns of a rollback at once", async () => {
    count(CANARY_ERROR);
    await Promise.all(pending);
    expect(views).toEqual([object.view]);
  });

  it("loses no count when sending fails: the same batch is sent again with the next request", async () => {
    let tried = 0;
    count(CANARY_ERROR, () => {
      tried += 1;
      return Promise.reject(new Error("overloaded"));
    });
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      await settle();
      clock.wake(BATCH_MS);
    }
    await Promise.all(pending);
    expect(tried).toBe(TRIES);
    count(CANARY_ERROR);
    await settle();
    expect(object.reports.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(object.figures("canary")).toMatchObject({ requests: 2, errors: 2 });
  });

  it("doubles no count when the answer of a batch that was counted gets lost", async () => {
    let lost = false;
    const losesFirstAnswer: SendReport = (report) => {
      const view = object.receive(report);
      if (lost) return Promise.resolve(view);
      lost = true;
      return Promise.reject(new Error("Network connection lost."));
    };
    count(CANARY_ERROR, losesFirstAnswer);
    await settle();
    clock.wake(BATCH_MS);
    await Promise.all(pending);
    expect(object.reports).toHaveLength(2);
    expect(object.figures("canary")).toMatchObject({ requests: 1, errors: 1 });
  });

  it("keeps phases apart", async () => {
    count({ key: CANARY, delta: { requests: 1 } });
    count({ ...CANARY_ERROR, phase: { ...PHASE_ONE, phase: 2 } });
    await settle();
    expect(object.reports.map(({ phase, series }) => [phase, series[0]?.errors])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it("goes on when the request that carried the timer was cut off", async () => {
    count(READ);
    clock.advance(60_000);
    count(READ);
    expect(pending).toHaveLength(2);
  });

  it("tells isolates apart", async () => {
    count(CANARY_ERROR);
    const other = new Reporter(clock, () => {});
    other.count(PHASE_ONE, CANARY, { requests: 1, errors: 1 }, { send: works, waitUntil });
    await Promise.all(pending);
    expect(new Set(object.reports.map(({ reporter: name }) => name)).size).toBe(2);
    expect(object.figures("canary").errors).toBe(2);
  });
});
