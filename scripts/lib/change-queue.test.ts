import { describe, expect, it } from "vitest";
import { ChangeQueue } from "./change-queue.ts";
import { targetOf } from "./dev-session.ts";

/** A timer that fires when the test says so. */
class ManualTimer {
  #callback: (() => void) | null = null;

  readonly later = (callback: () => void): (() => void) => {
    this.#callback = callback;
    return () => {
      this.#callback = null;
    };
  };

  fire(): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  }
}

function queue() {
  const timer = new ManualTimer();
  const runs: { readonly changes: readonly string[]; readonly end: () => void }[] = [];
  const changes = new ChangeQueue<string>({
    quietMs: 200,
    later: timer.later,
    run: async (set) => {
      const ended = Promise.withResolvers<void>();
      runs.push({ changes: [...set], end: ended.resolve });
      await ended.promise;
    },
  });
  return { timer, runs, changes };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("changes", () => {
  it("that come close together are one run", () => {
    const { timer, runs, changes } = queue();
    for (const change of ["hub", "archiver", "hub"]) changes.add(change);
    timer.fire();
    expect(runs.map((run) => run.changes)).toEqual([["hub", "archiver"]]);
  });

  it("that come during a run wait for its end, and are then one run", async () => {
    const { timer, runs, changes } = queue();
    changes.add("hub");
    timer.fire();
    changes.add("archiver");
    timer.fire();
    expect(runs).toHaveLength(1);
    runs[0]?.end();
    await settle();
    expect(runs.map((run) => run.changes)).toEqual([["hub"], ["archiver"]]);
  });

  it("are dropped after closing, which waits for the present run", async () => {
    const { timer, runs, changes } = queue();
    changes.add("hub");
    timer.fire();
    changes.add("archiver");
    let closed = false;
    const closing = changes.close().then(() => {
      closed = true;
    });
    await settle();
    expect(closed).toBe(false);
    runs[0]?.end();
    await closing;
    changes.add("hub");
    timer.fire();
    expect(runs).toHaveLength(1);
  });
});

describe("a changed file", () => {
  it("releases the Worker that it belongs to", () => {
    expect(targetOf("worker/src/index.ts")).toBe("hub");
    expect(targetOf("migrations/hub/0001_init.sql")).toBe("hub");
    expect(targetOf("archiver/schemas/flights.avsc")).toBe("archiver");
    expect(targetOf("migrations/archive/0001_init.sql")).toBe("archiver");
  });

  it("releases nothing when it is a test or not part of a bundle", () => {
    for (const file of [
      "worker/src/app.test.ts",
      "worker/README.md",
      "scripts/dev.ts",
      "worker/src/.app.ts.swp",
    ]) {
      expect(targetOf(file)).toBeNull();
    }
  });
});
