import { describe, expect, it } from "vitest";
import { beyondDoubt } from "./beyond-doubt.ts";
import { evidence, GATE, seen, TENTH } from "./evidence.test-data.ts";
import { PAIRED_SHARES, type Evidence } from "./scope.ts";

const BACKGROUND = { read: 0, write: 0, background: 10 };
const background = { traffic: "background", answers: {} } as const;

describe("what is beyond doubt", () => {
  it("is that four of four fail while dozens are good on the stable lane, and it is said in figures", () => {
    const found = evidence([seen("canary", "/read", 4, { errors: 4 }), seen("stable", "/read", 40)]);
    expect(beyondDoubt(found, GATE)).toMatch(
      /^4 of 4 canary reads of \/read failed, 0 of 40 on the stable lane; chance does this less than once in [\d,]+ times$/,
    );
  });

  it("is not one bad answer, nor two", () => {
    for (const errors of [1, 2]) {
      const found = evidence([seen("canary", "/read", errors, { errors }), seen("stable", "/read", 400)]);
      expect(beyondDoubt(found, GATE)).toBeNull();
    }
  });

  it("is not what both lanes suffer", () => {
    const found = evidence([
      seen("canary", "/read", 100, { errors: 90 }),
      seen("stable", "/read", 900, { errors: 800 }),
    ]);
    expect(beyondDoubt(found, GATE)).toBeNull();
  });

  it("is not hidden by good answers of other routes", () => {
    const found = evidence([
      seen("canary", "/write-less", 2_000),
      seen("stable", "/write-less", 18_000),
      seen("canary", "/spots", 5, { errors: 5 }),
      seen("stable", "/spots", 50),
    ]);
    expect(beyondDoubt(found, GATE)).toContain("5 of 5 canary reads of /spots failed");
  });

  it("is seen in the recent window when the past was long and good", () => {
    const total = [seen("canary", "/read", 5_020, { errors: 20 }), seen("stable", "/read", 45_000)];
    const recent = [seen("canary", "/read", 40, { errors: 20 }), seen("stable", "/read", 360)];
    expect(beyondDoubt(evidence(total, { recent: total }), GATE)).toBeNull();
    expect(beyondDoubt(evidence(total, { recent }), GATE)).toContain("20 of 40 canary reads");
  });

  it("is a canary that hangs, though none of its requests was answered", () => {
    const hung = seen("canary", "/read", 0, { overdue: 6 });
    expect(beyondDoubt(evidence([hung, seen("stable", "/read", 60)]), GATE)).toContain(
      "6 of 6 canary reads of /read had no answer in time",
    );
  });

  it("is a media type that the stable lane never answers with", () => {
    const wrong = seen("canary", "/read", 12, { answers: { "2xx text/plain": 12 } });
    expect(beyondDoubt(evidence([wrong, seen("stable", "/read", 108)]), GATE)).toContain(
      "12 of 12 canary reads of /read were answered with 2xx text/plain, 0 of 108 on the stable lane",
    );
  });

  it("is not a client with a wrong key that happens to be on the canary's lane", () => {
    const refused = { "2xx application/json": 25, "4xx application/problem+json": 60 };
    const found = evidence([seen("canary", "/read", 85, { answers: refused }), seen("stable", "/read", 225)]);
    expect(beyondDoubt(found, GATE)).toBeNull();
  });

  it("is an error share above the limit where all traffic is the canary's", () => {
    const shares = { ...TENTH, read: 100 };
    expect(beyondDoubt(evidence([seen("canary", "/read", 6, { errors: 5 })], { shares }), GATE)).toContain(
      "at most 1 % may, where no stable lane answers beside it",
    );
    expect(
      beyondDoubt(evidence([seen("canary", "/read", 1_000, { errors: 20 })], { shares }), GATE),
    ).toBeNull();
  });

  it("is nothing about a class without a share", () => {
    const found = evidence([
      seen("canary", "/read", 50, { errors: 50, traffic: "write" }),
      seen("stable", "/read", 500, { traffic: "write" }),
    ]);
    expect(beyondDoubt(found, GATE)).toBeNull();
  });

  it("is that a third of few deliveries fails, each of which the stable archiver then did", () => {
    const half = { read: 0, write: 0, background: 10 };
    const found = (failed: number) =>
      evidence(
        [
          seen("canary", "queue", 12, { ...background, errors: failed, fallbacks: failed }),
          seen("stable", "queue", 12, background),
        ],
        { shares: half },
      );
    expect(beyondDoubt(found(4), GATE)).toContain("4 of 12 canary queue deliveries failed");
    expect(beyondDoubt(found(1), GATE)).toBeNull();
  });

  it("is that deliveries fail on the canary and not on the stable lane", () => {
    const found = evidence(
      [seen("canary", "queue", 5, { errors: 5, ...background }), seen("stable", "queue", 60, background)],
      { shares: BACKGROUND },
    );
    expect(beyondDoubt(found, GATE)).toContain("5 of 5 canary queue deliveries failed");
  });

  it("is two failed cron runs that the stable lane did without a fault, but not one", () => {
    const runs = (failed: number, stable: number): ReturnType<typeof evidence> =>
      evidence(
        [
          seen("canary", "cron", failed, { errors: failed, ...background }),
          seen("stable", "cron", stable, { errors: stable, ...background }),
        ],
        { shares: BACKGROUND },
      );
    expect(beyondDoubt(runs(1, 0), GATE)).toBeNull();
    expect(beyondDoubt(runs(2, 0), GATE)).toBe(
      "2 of 2 canary cron runs failed, and the stable lane then did them without a fault",
    );
    expect(beyondDoubt(runs(2, 1), GATE)).toBeNull();
  });

  it("is nothing when no false alarm may happen at all", () => {
    const found = evidence([seen("canary", "/read", 40, { errors: 40 }), seen("stable", "/read", 400)]);
    expect(beyondDoubt(found, { ...GATE, falseAlarm: 0 })).toBeNull();
  });
});

describe("beyond doubt, of copies that the stable lane has answered,", () => {
  /** So many reads, of which the canary failed and the stable lane failed. */
  const copied = (requests: number, errors: number, stable = 0): Evidence =>
    evidence(
      [
        seen("canary", "/read", requests, { errors, fallbacks: errors }),
        seen("stable", "/read", requests, { errors: stable }),
      ],
      { shares: PAIRED_SHARES },
    );

  it("are few failures of few, and some of many", () => {
    expect(beyondDoubt(copied(12, 12), GATE)).toContain(
      "12 of 12 canary reads of /read failed, 0 of 12 on the stable lane",
    );
    expect(beyondDoubt(copied(300, 24), GATE)).toContain("24 of 300 canary reads");
  });

  it("are not failures as rare as the gate allows, nor those that the stable lane has as often", () => {
    expect(beyondDoubt(copied(10_000, 50), GATE)).toBeNull();
    expect(beyondDoubt(copied(1_000, 50, 50), GATE)).toBeNull();
    expect(beyondDoubt(copied(60, 3), GATE)).toBeNull();
  });
});
