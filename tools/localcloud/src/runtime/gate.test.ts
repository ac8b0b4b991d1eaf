import { describe, expect, it } from "vitest";
import { Gate } from "./gate.ts";

const never = new Promise<never>(() => undefined);

function gateAt(time: { now: number }): Gate {
  return new Gate(() => time.now);
}

/** Whether a promise has settled by the time all that is ready has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe("a gate", () => {
  it("admits work at once while it is open", () => {
    const gate = gateAt({ now: 0 });
    expect(gate.enter()).toBeUndefined();
    expect(gate.inside).toBe(1);
  });

  it("holds work back from the drain until it opens again", async () => {
    const gate = gateAt({ now: 0 });
    expect(await gate.drain(never)).toBe(0);
    const held = Promise.resolve(gate.enter());
    expect(await settled(held)).toBe(false);
    gate.open();
    expect(await settled(held)).toBe(true);
    expect(gate.inside).toBe(1);
  });

  it("drains only when the work under way has ended", async () => {
    const gate = gateAt({ now: 0 });
    void gate.enter();
    void gate.enter();
    const drained = gate.drain(never);
    gate.leave();
    expect(await settled(drained)).toBe(false);
    gate.leave();
    expect(await drained).toBe(0);
  });

  it("gives up on work that goes on past the deadline, and says how much there is", async () => {
    const gate = gateAt({ now: 0 });
    void gate.enter();
    expect(await gate.drain(Promise.resolve())).toBe(1);
  });

  it("admits work that work under way waits for, but not once it is shut", async () => {
    const gate = gateAt({ now: 0 });
    void gate.enter();
    const drained = gate.drain(never);
    expect(gate.enter(true)).toBeUndefined();
    gate.leave();
    gate.leave();
    await drained;
    expect(gate.enter(true)).toBeInstanceOf(Promise);
  });

  it("leaves after work that fails, and remembers when work ended last", async () => {
    const time = { now: 5 };
    const gate = gateAt(time);
    await expect(gate.through(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    time.now = 9;
    expect([gate.inside, gate.lastLeft]).toEqual([0, 5]);
  });
});
