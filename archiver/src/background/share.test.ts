import { describe, expect, it } from "vitest";
import { isCanarys } from "./share.ts";

/** How many of so many messages fall into the share. */
function hits(rolloutId: string, share: number, count: number): number {
  let sum = 0;
  for (let message = 0; message < count; message += 1) {
    if (isCanarys(rolloutId, share, `${message}f3c8a9${message}`)) sum += 1;
  }
  return sum;
}

describe("the canary's share", () => {
  it.each([0.5, 1, 10, 50, 90, 99])(
    "of %f %% is kept within five standard deviations over 20,000 messages",
    (share) => {
      const count = 20_000;
      const expected = (count * share) / 100;
      const deviation = Math.sqrt(expected * (1 - share / 100));
      for (const rollout of ["r1", "r2", "4b5f9a9c-5c6e-4a57-8d5b-3d7f6b1f0c11"]) {
        expect(Math.abs(hits(rollout, share, count) - expected)).toBeLessThan(5 * deviation);
      }
    },
  );

  it("of 0 % is nothing, and of 100 % everything", () => {
    expect([hits("r1", 0, 5_000), hits("r1", 100, 5_000)]).toEqual([0, 5_000]);
  });

  it("is steady: a message that is in it stays in it as it grows", () => {
    for (let message = 0; message < 500; message += 1) {
      const shares = [1, 5, 25, 60, 100].map((share) => isCanarys("r1", share, `message ${message}`));
      expect(shares).toEqual(shares.toSorted());
    }
  });

  it("is drawn anew by another rollout", () => {
    const differs = Array.from({ length: 1_000 }, (_, message) => `message ${message}`).filter(
      (message) => isCanarys("r1", 50, message) !== isCanarys("r2", 50, message),
    );
    expect(differs.length).toBeGreaterThan(400);
    expect(differs.length).toBeLessThan(600);
  });
});
