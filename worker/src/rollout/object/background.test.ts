import { describe, expect, it } from "vitest";
import { IDLE_STATE } from "../machine/machine.ts";
import { bucketOf, quantile } from "../judge/histogram.ts";
import { backgroundOrder, backgroundSince, type BackgroundCounts } from "./background.ts";

const counts = (told: Partial<BackgroundCounts> = {}): BackgroundCounts => ({
  lane: "canary",
  route: "queue",
  requests: 10,
  errors: 1,
  exceptions: 0,
  overdue: 0,
  deliveries: 2,
  failedDeliveries: 1,
  latency: [[100, 2]],
  ...told,
});

describe("counts of the archiver", () => {
  it("count by what was added since the last ones", () => {
    const now = [
      counts({
        requests: 25,
        errors: 3,
        deliveries: 7,
        failedDeliveries: 3,
        latency: [
          [100, 3],
          [140, 4],
        ],
      }),
    ];
    const [added, ...others] = backgroundSince([counts()], now);
    expect(others).toEqual([]);
    expect(added).toMatchObject({ traffic: "background", route: "queue", requests: 5, errors: 2 });
    expect(added?.latency.reduce((sum, [, count]) => sum + count, 0)).toBe(5);
  });

  it("count whole when the archiver has begun anew", () => {
    expect(backgroundSince([counts({ requests: 100 })], [counts()])).toMatchObject([{ requests: 2 }]);
    expect(backgroundSince([counts({ latency: [[90, 9]] })], [counts()])).toMatchObject([{ requests: 2 }]);
  });

  it("that have not changed are no evidence", () => {
    expect(backgroundSince([counts()], [counts()])).toEqual([]);
  });

  it("are of deliveries, since messages of one fail together", () => {
    const now = counts({ requests: 100, errors: 100, exceptions: 1, overdue: 2 });
    expect(backgroundSince([], [now])).toMatchObject([{ requests: 2, errors: 1, exceptions: 1, overdue: 2 }]);
  });

  it("keep their latency, which is in the judge's buckets already", () => {
    const [one] = backgroundSince([], [counts({ latency: [[bucketOf(700), 1]] })]);
    expect(Math.abs((quantile(one?.latency ?? [], 0.5) ?? 0) - 700) / 700).toBeLessThan(0.06);
  });
});

describe("an order to the archiver", () => {
  it("without an open rollout closes the lane and asks for no probe", () => {
    expect(backgroundOrder(IDLE_STATE)).toMatchObject({
      rolloutId: null,
      share: 0,
      probe: false,
      validMs: 10_000,
    });
  });
});
