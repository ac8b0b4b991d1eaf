import { beforeEach, describe, expect, it } from "vitest";
import { TestClock } from "../../test/hub.ts";
import { addCounts, NO_COUNTS } from "./counts.ts";
import { BATCH_MS, Reporter, TRIES, type CountedRequest, type Report, type SendReport } from "./reporter.ts";
import { CLOSED_VIEW, type RolloutView } from "./view.ts";

const READ: CountedRequest = {
  rolloutId: "rollout",
  phase: 1,
  lane: "stable",
  traffic: "read",
  failed: false,
};
const CANARY_ERROR: CountedRequest = { ...READ, lane: "canary", failed: true };

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

/** An object that counts each numbered batch once, as the real one does. */
class CountingObject {
  readonly received: Report[] = [];
  counts = NO_COUNTS;
  readonly #last = new Map<string, number>();

  receive(report: Report): RolloutView {
    this.received.push(report);
    if (report.sequence > (this.#last.get(report.reporter) ?? 0)) {
      this.#last.set(report.reporter, report.sequence);
      this.counts = addCounts(this.counts, report.counts);
    }
    return CLOSED_VIEW;
  }
}

describe("Reporter", () => {
  let clock: ManualClock;
  let object: CountingObject;
  let reporter: Reporter;
  let views: RolloutView[];
  let pending: Promise<void>[];

  const waitUntil = (work: Promise<void>): void => {
    pending.push(work);
  };
  const works: SendReport = (report) => Promise.resolve(object.receive(report));
  const count = (request: CountedRequest, send: SendReport = works): void =>
    reporter.count(request, { send, waitUntil });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };

  beforeEach(() => {
    clock = new ManualClock();
    object = new CountingObject();
    views = [];
    pending = [];
    reporter = new Reporter(clock, (view) => views.push(view));
  });

  it("sends the requests of 200 ms as one batch", async () => {
    for (let index = 0; index < 5; index += 1) count(READ);
    await settle();
    expect(object.received).toEqual([]);
    expect(pending).toHaveLength(1);
    clock.wake(BATCH_MS);
    await Promise.all(pending);
    expect(object.received).toHaveLength(1);
    expect(object.counts.stable.read).toEqual({ requests: 5, errors: 0 });
  });

  it("sends at once when the canary fails, with what was counted before", async () => {
    count(READ);
    count(CANARY_ERROR);
    await settle();
    expect(object.counts).toMatchObject({
      stable: { read: { requests: 1, errors: 0 } },
      canary: { read: { requests: 1, errors: 1 } },
    });
  });

  it("does not hurry for an error of the stable lane", async () => {
    count({ ...READ, failed: true });
    await settle();
    expect(object.received).toEqual([]);
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
    expect(object.received.map(({ sequence, counts }) => [sequence, counts.canary.read.errors])).toEqual([
      [1, 1],
      [2, 7],
    ]);
  });

  it("passes on what the object answers, so that the isolate learns of a rollback at once", async () => {
    count(CANARY_ERROR);
    await Promise.all(pending);
    expect(views).toEqual([CLOSED_VIEW]);
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
    expect(object.received.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(object.counts.canary.read).toEqual({ requests: 2, errors: 2 });
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
    expect(object.received).toHaveLength(2);
    expect(object.counts.canary.read).toEqual({ requests: 1, errors: 1 });
  });

  it("keeps phases apart", async () => {
    count({ ...READ, lane: "canary" });
    count({ ...CANARY_ERROR, phase: 2 });
    await settle();
    expect(object.received.map(({ phase, counts }) => [phase, counts.canary.read.errors])).toEqual([
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
    other.count(CANARY_ERROR, { send: works, waitUntil });
    await Promise.all(pending);
    expect(new Set(object.received.map(({ reporter: name }) => name)).size).toBe(2);
    expect(object.counts.canary.read.errors).toBe(2);
  });
});
