import { describe, expect, it } from "vitest";
import { countsOf, type Outcome } from "./counts.ts";

const DELIVERY: Outcome = {
  lane: "canary",
  route: "queue",
  requests: 10,
  errors: 0,
  how: "answered",
  took: 50,
};
const counted = (outcome: Partial<Outcome>) => {
  const { requests, errors, exceptions, overdue, deliveries, failedDeliveries } = countsOf({
    ...DELIVERY,
    ...outcome,
  });
  return { requests, errors, exceptions, overdue, deliveries, failedDeliveries };
};
const GOOD = { requests: 10, errors: 0, exceptions: 0, overdue: 0, deliveries: 1, failedDeliveries: 0 };

describe("what a delivery of ten messages adds", () => {
  it("is the same on both lanes when it is late", () => {
    const late = { ...GOOD, overdue: 1 };
    expect(counted({ how: "overdue", errors: 10 })).toEqual(late);
    expect(counted({ lane: "stable", how: "overdue" })).toEqual(late);
  });

  it("is one exception when the call threw", () => {
    const threw = { ...GOOD, errors: 10, exceptions: 1, failedDeliveries: 1 };
    expect(counted({ how: "threw", errors: 10 })).toEqual(threw);
  });

  it("is no exception when the call threw and nobody could do better", () => {
    expect(counted({ how: "threw", requests: 0 })).toMatchObject({ exceptions: 0, failedDeliveries: 0 });
  });

  it("is failed messages of a failed delivery when it was answered, or late and not stored by the stable lane", () => {
    const failed = { ...GOOD, errors: 3, failedDeliveries: 1 };
    expect(counted({ errors: 3 })).toEqual(failed);
    expect(counted({ lane: "stable", errors: 3, how: "overdue" })).toEqual({ ...failed, overdue: 1 });
  });
});

describe("a run of the canary's that was overdue", () => {
  it("is late, and failed: the stable lane did the same in time", () => {
    const run = counted({ route: "cron", requests: 1, errors: 1, how: "overdue" });
    expect(run).toEqual({ ...GOOD, requests: 1, errors: 1, overdue: 1, failedDeliveries: 1 });
  });
});
