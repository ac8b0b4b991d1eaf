import { describe, expect, it } from "vitest";
import { LatestWins } from "./latest-wins.ts";

/** A task that ends when told to, and remembers what it ran. */
function manual() {
  const ran: number[] = [];
  const ends: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  const latest = new LatestWins<number>((value) => {
    ran.push(value);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    ends.push({ resolve, reject });
    return promise;
  });
  return { latest, ran, ends };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("running only the latest value", () => {
  it("runs one value at a time, and of those that wait only the last", async () => {
    const { latest, ran, ends } = manual();
    const first = latest.submit(1);
    await turn();
    const second = latest.submit(2);
    const third = latest.submit(3);
    await turn();
    expect(ran).toEqual([1]);
    ends[0]?.resolve();
    await first;
    await turn();
    expect(ran).toEqual([1, 3]);
    ends[1]?.resolve();
    await Promise.all([second, third]);
  });

  it("fails those whose run failed, and goes on with the next", async () => {
    const { latest, ran, ends } = manual();
    const first = latest.submit(1);
    await turn();
    const second = latest.submit(2);
    ends[0]?.reject(new Error("refused"));
    await expect(first).rejects.toThrow("refused");
    await turn();
    ends[1]?.resolve();
    await second;
    expect(ran).toEqual([1, 2]);
  });

  it("runs a value that is submitted in any turn after the end of the last run", async () => {
    for (let turns = 0; turns < 10; turns += 1) {
      const { latest, ran, ends } = manual();
      const first = latest.submit(1);
      await turn();
      ends[0]?.resolve();
      await first;
      for (let i = 0; i < turns; i += 1) await Promise.resolve();
      void latest.submit(2);
      await turn();
      expect(ran).toEqual([1, 2]);
    }
  });

  it("is idle when nothing runs and nothing waits", async () => {
    const { latest, ends } = manual();
    const states: string[] = [];
    await latest.idle();
    const first = latest.submit(1).then(() => states.push("ran"));
    await turn();
    const idle = latest.idle().then(() => states.push("idle"));
    await turn();
    expect(states).toEqual([]);
    ends[0]?.resolve();
    await Promise.all([first, idle]);
    expect(states).toEqual(["ran", "idle"]);
  });
});
