import { describe, expect, it } from "vitest";
import {
  after,
  alarm,
  begin,
  complete,
  confirmed,
  judged,
  outcomeOf,
  promote,
  promoting,
  release,
  returned,
  rollback,
  start,
  time,
  type Step,
} from "./example.ts";

/** Through every phase, with work in the background that the archiver was told to hand over. */
const arrived: readonly Step[] = [start(), begin, promote(1), promote(2), promote(3)];
/** Revision of the state in which the shares of the last phase were told. */
const TOLD = 4;

describe("a promotion", () => {
  it("gives the scripts the release in the order of their dependency", () => {
    expect(outcomeOf(...arrived, promoting("hub"))).toMatchObject({
      refusal: { kind: "out-of-order", why: "first the archiver gets the release" },
    });
    expect(after(...arrived, promoting("archiver"), promoting("hub"))).toMatchObject({
      status: "promoting",
      promoted: ["archiver", "hub"],
      shares: { read: 100, write: 100, background: 100 },
    });
  });

  it("passes over a script that the release does not change", () => {
    const hubOnly = [start({ release: release(["hub"]) }), begin, promote(1), promote(2), promote(3)];
    expect(after(...hubOnly, promoting("hub"), complete)).toMatchObject({
      status: "done",
      promoted: ["hub"],
    });
    const archiverOnly = [start({ release: release(["archiver"]) }), ...arrived.slice(1)];
    expect(after(...archiverOnly, promoting("archiver"), complete)).toMatchObject({ status: "done" });
  });

  it("is complete when every script has the release, and then the lane closes", () => {
    expect(outcomeOf(...arrived, promoting("archiver"), complete)).toMatchObject({
      refusal: { kind: "out-of-order", why: "first the hub gets the release" },
    });
    expect(after(...arrived, promoting("archiver"), promoting("hub"), 9_000, complete)).toMatchObject({
      status: "done",
      phase: 3,
      shares: { read: 0, write: 0, background: 0 },
      endedAt: time(9_000),
      closedAt: time(9_000),
      reason: "promoted: the archiver runs archiver-2, the hub runs hub-2",
    });
  });

  it("is begun only behind the last phase", () => {
    for (const command of [promoting("archiver"), complete]) {
      expect(outcomeOf(start(), begin, command)).toMatchObject({
        refusal: { kind: "not-promoting", status: "running" },
      });
    }
  });

  it("is judged on: a failing release goes, and both scripts return together, the caller first", () => {
    const failing = [
      ...arrived,
      promoting("archiver"),
      promoting("hub"),
      judged(3, "fail"),
      judged(3, "fail"),
    ];
    expect(after(...failing)).toMatchObject({
      status: "rolling-back",
      shares: { read: 0, write: 0, background: 0 },
      toReturn: ["hub", "archiver"],
    });
  });

  it("is not carried on by a release program that slept through its rollback", () => {
    expect(outcomeOf(...arrived, promoting("archiver"), alarm(3), promoting("archiver"))).toMatchObject({
      refusal: { kind: "not-promoting", status: "rolling-back" },
    });
  });
});

describe("a rollback with something to return", () => {
  const goingBack = [...arrived, promoting("archiver"), rollback()];
  const revision = after(...goingBack).revision;

  it("is over when the scripts have their former versions and the archiver has confirmed", () => {
    const confirmedOnly = [...goingBack, confirmed(revision)];
    expect(after(...confirmedOnly)).toMatchObject({ status: "rolling-back", backgroundConfirmed: true });
    expect(after(...confirmedOnly, 4_000, returned("archiver"))).toMatchObject({
      status: "rolled-back",
      endedAt: time(4_000),
      closedAt: time(0),
      reason: "customers complain",
    });
    const scriptOnly = after(...goingBack, returned("archiver"));
    expect(scriptOnly).toMatchObject({ status: "rolling-back", toReturn: [] });
    expect(after(...goingBack, returned("archiver"), confirmed(scriptOnly.revision))).toMatchObject({
      status: "rolled-back",
    });
  });

  it("hears a repeat, and a script that was never promoted, without consequence", () => {
    const half = [...goingBack, returned("archiver")];
    expect(outcomeOf(...half, returned("archiver"))?.kind).toBe("unchanged");
    expect(outcomeOf(...goingBack, returned("hub"))?.kind).toBe("unchanged");
    expect(outcomeOf(...half, confirmed(revision + 1), returned("archiver"))?.kind).toBe("unchanged");
  });

  it("lets nothing else start meanwhile", () => {
    expect(outcomeOf(...goingBack, start({}, "rollout-2"))).toMatchObject({
      refusal: { kind: "active", status: "rolling-back" },
    });
  });

  it("is asked for first", () => {
    expect(outcomeOf(...arrived, returned("hub"))).toMatchObject({ refusal: { kind: "out-of-order" } });
  });
});

describe("the archiver's confirmation", () => {
  it("is asked for whenever its share changes, and only then", () => {
    expect(after(start(), begin).backgroundConfirmed).toBe(true);
    expect(after(start(), begin, promote(1)).backgroundConfirmed).toBe(false);
    expect(after(...arrived, confirmed(TOLD + 1), promoting("archiver")).backgroundConfirmed).toBe(true);
  });

  it("counts for the state that it was told, not for a later one", () => {
    const second = [start(), begin, promote(1)];
    expect(after(...second, confirmed(3)).backgroundConfirmed).toBe(true);
    expect(after(...second, promote(2), confirmed(3)).backgroundConfirmed).toBe(false);
    expect(after(...second, rollback(), confirmed(3)).status).toBe("rolling-back");
  });

  it("is still awaited by a rollout that starts before it has come", () => {
    const done = [...arrived, promoting("archiver"), promoting("hub"), complete];
    expect(after(...done, start({}, "rollout-2")).backgroundConfirmed).toBe(false);
  });

  it("may still come after a promotion is complete", () => {
    const done = [...arrived, promoting("archiver"), promoting("hub"), complete];
    const { revision, backgroundConfirmed } = after(...done);
    expect(backgroundConfirmed).toBe(false);
    expect(after(...done, confirmed(revision))).toMatchObject({ status: "done", backgroundConfirmed: true });
  });
});
