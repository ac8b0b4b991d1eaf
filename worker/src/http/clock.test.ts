import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeadlineError, within } from "./clock.ts";

describe("within", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("gives the result of work that is done in time, and leaves no timer behind", async () => {
    await expect(within(100, Promise.resolve("done"))).resolves.toBe("done");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("passes on the failure of the work itself", async () => {
    await expect(within(100, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("gives up on work that takes longer", async () => {
    const outcome = within(100, new Promise(() => {})).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(100);
    expect(await outcome).toEqual(new DeadlineError(100));
  });
});
