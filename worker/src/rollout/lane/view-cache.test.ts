import { beforeEach, describe, expect, it } from "vitest";
import { TestClock } from "../../../test/hub.ts";
import { CLOSED_VIEW, type RolloutView } from "../view.ts";
import {
  ASK_TIMEOUT_MS,
  FRESH_MS,
  LAST_KNOWN_MS,
  RETRY_AFTER_MS,
  STALE_WHILE_ASKING_MS,
  ViewCache,
} from "./view-cache.ts";

const OPEN: RolloutView = {
  id: "rollout",
  phase: 1,
  shares: { read: 10, write: 0, background: 0 },
  mirrorReads: 0,
  canaryVersion: "canary-1",
  fallbackReads: true,
  overdueMs: 3_000,
};
const WIDER: RolloutView = { ...OPEN, phase: 2, shares: { read: 100, write: 10, background: 10 } };

describe("ViewCache", () => {
  let clock: TestClock;
  let cache: ViewCache;
  let asked: number;

  const answers = (view: RolloutView) => () => {
    asked += 1;
    return Promise.resolve(view);
  };
  const fails = (): Promise<RolloutView> => {
    asked += 1;
    return Promise.reject(new Error("reset because its code was updated"));
  };

  beforeEach(() => {
    clock = new TestClock();
    cache = new ViewCache(clock);
    asked = 0;
  });

  it("asks once, then answers from memory for a second", async () => {
    expect(await cache.current(answers(OPEN))).toEqual(OPEN);
    clock.advance(FRESH_MS);
    expect(await cache.current(answers(WIDER))).toEqual(OPEN);
    expect(asked).toBe(1);
  });

  it("asks again after a second, so that a change is seen within two", async () => {
    await cache.current(answers(OPEN));
    clock.advance(FRESH_MS + 1);
    expect(await cache.current(answers(WIDER))).toEqual(WIDER);
  });

  it("asks itself after a second and a half, though another request is still asking", async () => {
    await cache.current(answers(OPEN));
    clock.advance(FRESH_MS + 1);
    void cache.current(() => new Promise(() => {}));
    clock.advance(STALE_WHILE_ASKING_MS - FRESH_MS - 1);
    expect(await cache.current(answers(WIDER))).toEqual(OPEN);
    clock.advance(1);
    expect(await cache.current(answers(WIDER))).toEqual(WIDER);
  });

  it("does not send every request to the object: while one asks, the others use what is known", async () => {
    await cache.current(answers(OPEN));
    clock.advance(FRESH_MS + 1);
    let answer = (_view: RolloutView): void => {};
    const first = cache.current(
      () =>
        new Promise((resolve) => {
          asked += 1;
          answer = resolve;
        }),
    );
    const others = await Promise.all([cache.current(answers(WIDER)), cache.current(answers(WIDER))]);
    expect(others).toEqual([OPEN, OPEN]);
    expect(asked).toBe(2);
    answer(WIDER);
    expect(await first).toEqual(WIDER);
  });

  it("lets another request ask when the one that asked was cut off", async () => {
    await cache.current(answers(OPEN));
    clock.advance(FRESH_MS + 1);
    void cache.current(() => new Promise(() => {}));
    clock.advance(ASK_TIMEOUT_MS);
    expect(await cache.current(answers(WIDER))).toEqual(WIDER);
  });

  it("uses the last known rollout for ten seconds while the object cannot be reached, then the stable lane", async () => {
    await cache.current(answers(OPEN));
    clock.advance(LAST_KNOWN_MS);
    expect(await cache.current(fails)).toEqual(OPEN);
    clock.advance(RETRY_AFTER_MS);
    expect(await cache.current(fails)).toEqual(CLOSED_VIEW);
  });

  it("uses the stable lane when it never knew better", async () => {
    expect(await cache.current(fails)).toEqual(CLOSED_VIEW);
  });

  it("pauses after a failure instead of delaying every request, then asks again", async () => {
    await cache.current(fails);
    await cache.current(fails);
    expect(asked).toBe(1);
    clock.advance(RETRY_AFTER_MS);
    expect(await cache.current(answers(OPEN))).toEqual(OPEN);
  });

  it("lets one request ask after the pause while the object hangs; the others do not wait", async () => {
    await cache.current(answers(OPEN));
    clock.advance(5_000);
    await cache.current(fails);
    clock.advance(RETRY_AFTER_MS);
    void cache.current(() => new Promise(() => {}));
    expect(await cache.current(answers(WIDER))).toEqual(OPEN);
    expect(asked).toBe(2);
  });

  it("learns at once from an answer to another question", async () => {
    await cache.current(answers(OPEN));
    clock.advance(10);
    cache.learn(CLOSED_VIEW, clock.now());
    expect(await cache.current(answers(OPEN))).toEqual(CLOSED_VIEW);
    expect(asked).toBe(1);
  });

  it("does not let an answer to an older question replace a newer one", async () => {
    const earlier = clock.now();
    clock.advance(10);
    cache.learn(CLOSED_VIEW, clock.now());
    cache.learn(OPEN, earlier);
    expect(await cache.current(answers(OPEN))).toEqual(CLOSED_VIEW);
  });
});
