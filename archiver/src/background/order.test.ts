import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, TestArchiver, useStorage } from "../../test/archiver.ts";
import { canary, consumers } from "../../test/canaries.ts";
import { gatedDatabase } from "../../test/faults.ts";
import type { BackgroundSeries } from "../contract.ts";
import { takeOrder } from "./order.ts";
import { addCounts, noteHandover, readOpenOrder } from "./store.ts";

useStorage();

const withCanary = (): TestArchiver =>
  new TestArchiver({ canary: canary(consumers(new TestArchiver()).good) });

const SERIES: BackgroundSeries = {
  lane: "canary",
  route: "queue",
  requests: 5,
  errors: 2,
  exceptions: 1,
  overdue: 1,
  deliveries: 1,
  failedDeliveries: 1,
  latency: [[70, 1]],
};

describe("an order", () => {
  it("is in force until it expires", async () => {
    const archiver = withCanary();
    expect(await archiver.background({ share: 12.5, overdueMs: 900, validMs: 30_000 })).toEqual({
      rolloutId: "r1",
      phase: 1,
      revision: 1,
      accepted: true,
      series: [],
    });
    expect(await readOpenOrder(env.DB, archiver.now + 29_999)).toEqual({
      rolloutId: "r1",
      phase: 1,
      share: 12.5,
      overdueMs: 900,
    });
    expect(await readOpenOrder(env.DB, archiver.now + 30_000)).toBeNull();
  });

  it("is renewed by the same one", async () => {
    const archiver = withCanary();
    await archiver.background({ validMs: 30_000 });
    archiver.now += 20_000;
    expect(await archiver.background({ validMs: 30_000 })).toMatchObject({ accepted: true });
    expect(await readOpenOrder(env.DB, archiver.now + 29_999)).not.toBeNull();
    expect(await countRows("background_orders")).toBe(1);
  });

  it.each([
    ["of share 0", { share: 0 }],
    ["without a rollout", { rolloutId: null }],
  ])("%s closes the lane at once, and an older one that comes late does not open it", async (_, order) => {
    const archiver = withCanary();
    await archiver.background({ revision: 4 });
    expect(await archiver.background({ ...order, revision: 5 })).toMatchObject({ accepted: true });
    expect(await readOpenOrder(env.DB, archiver.now)).toBeNull();
    archiver.now += 3_600_000;
    expect(await archiver.background({ revision: 4 })).toMatchObject({ accepted: false, revision: 5 });
    expect(await readOpenOrder(env.DB, archiver.now)).toBeNull();
  });

  it("of an earlier revision never takes the place of a later one", async () => {
    const archiver = withCanary();
    await archiver.background({ revision: 3, phase: 2, share: 10 });
    for (const order of [
      { revision: 2, share: 100 },
      { revision: 1, rolloutId: null },
      { rolloutId: "r0" },
    ]) {
      expect(await archiver.background(order)).toMatchObject({ accepted: false, revision: 3 });
    }
    expect(await readOpenOrder(env.DB, archiver.now)).toMatchObject({ rolloutId: "r1", phase: 2, share: 10 });
  });

  it("of another rollout counts from when the one in force has run out, whatever its revision", async () => {
    const archiver = withCanary();
    await archiver.background({ revision: 80, validMs: 30_000 });
    archiver.now += 29_999;
    expect(await archiver.background({ rolloutId: "r2" })).toMatchObject({ accepted: false });
    archiver.now += 1;
    expect(await archiver.background({ rolloutId: "r2" })).toMatchObject({ accepted: true, revision: 1 });
  });

  it("without a canary is accepted only if it gives it nothing", async () => {
    const archiver = new TestArchiver();
    expect(await archiver.background()).toMatchObject({ accepted: false });
    expect(await archiver.background({ revision: 2, share: 0 })).toMatchObject({ accepted: true });
    expect(await archiver.background({ revision: 3, rolloutId: null })).toMatchObject({ accepted: true });
  });

  it("is no business of the canary's own", async () => {
    const bindings = { db: env.DB, now: Date.now, canary: undefined };
    const order = {
      rolloutId: "r1",
      phase: 1,
      revision: 1,
      share: 0,
      validMs: 1_000,
      overdueMs: 1,
      probe: true,
    };
    expect(await takeOrder(order, "canary", bindings)).toEqual({
      rolloutId: "r1",
      phase: 1,
      revision: 1,
      accepted: false,
      series: [],
    });
    expect(await countRows("background_orders")).toBe(0);
  });

  it("takes one transaction", async () => {
    const operations: string[] = [];
    const db = gatedDatabase((operation, perform) => {
      operations.push(operation);
      return perform();
    });
    await new TestArchiver({ db }).background();
    expect(operations).toEqual(["batch"]);
  });
});

describe("the counts", () => {
  const phase = (number: number) => ({ rolloutId: "r1", phase: number });

  it("add up by phase, lane and route, their histograms bucket by bucket", async () => {
    const archiver = withCanary();
    await archiver.background();
    await addCounts(env.DB, phase(1), SERIES, null);
    await addCounts(
      env.DB,
      phase(1),
      {
        ...SERIES,
        latency: [
          [9, 2],
          [70, 3],
        ],
      },
      null,
    );
    await addCounts(env.DB, phase(1), { ...SERIES, latency: [[100, 1]] }, null);
    await addCounts(env.DB, phase(1), { ...SERIES, lane: "stable", latency: [] }, null);
    await addCounts(env.DB, phase(1), { ...SERIES, route: "cron" }, null);
    await addCounts(env.DB, phase(2), { ...SERIES, requests: 1 }, null);
    const { series } = await archiver.background();
    expect(series).toEqual([
      { ...SERIES, route: "cron" },
      {
        ...SERIES,
        requests: 15,
        errors: 6,
        exceptions: 3,
        overdue: 3,
        deliveries: 3,
        failedDeliveries: 3,
        latency: [
          [9, 2],
          [70, 4],
          [100, 1],
        ],
      },
      { ...SERIES, lane: "stable", latency: [] },
    ]);
    expect((await archiver.background({ phase: 2, revision: 2 })).series).toEqual([
      { ...SERIES, requests: 1 },
    ]);
  });

  it("are told as long as the rollout's lane is closed, and forgotten when another begins", async () => {
    const archiver = withCanary();
    await archiver.background();
    await addCounts(env.DB, phase(1), SERIES, null);
    expect((await archiver.background({ revision: 2, share: 0 })).series).toEqual([SERIES]);
    expect((await archiver.background({ revision: 3, rolloutId: null })).series).toEqual([]);
    expect((await archiver.background({ revision: 4, share: 0 })).series).toEqual([SERIES]);
    await archiver.background({ revision: 5, rolloutId: "r2" });
    expect(await countRows("background_counts")).toBe(0);
  });

  it("of a rollout that is over are not taken any more", async () => {
    const archiver = withCanary();
    await archiver.background({ rolloutId: "r2" });
    await addCounts(env.DB, phase(1), SERIES, null);
    expect(await countRows("background_counts")).toBe(0);
  });
});

describe("work whose invocation died while the canary had it", () => {
  const handover = { id: "h1", rolloutId: "r1", phase: 1, route: "queue", requests: 5 } as const;
  const dead = { ...SERIES, requests: 5, errors: 5, exceptions: 1, overdue: 0, latency: [] };

  it("counts as the canary's exceptions when its time is up, once", async () => {
    const archiver = withCanary();
    await archiver.background();
    await noteHandover(env.DB, { ...handover, dueAt: archiver.now + 1_000 });
    await noteHandover(env.DB, { ...handover, id: "h2", dueAt: archiver.now + 2_000 });
    archiver.now += 999;
    expect((await archiver.background()).series).toEqual([]);
    archiver.now += 1;
    expect((await archiver.background()).series).toEqual([dead]);
    expect((await archiver.background()).series).toEqual([dead]);
    expect(await countRows("background_handovers")).toBe(1);
  });

  it("is not counted a second time when it is settled after all", async () => {
    const archiver = withCanary();
    await archiver.background();
    await noteHandover(env.DB, { ...handover, dueAt: archiver.now });
    await archiver.background();
    await addCounts(env.DB, handover, { ...SERIES, requests: 5 }, "h1");
    expect((await archiver.background()).series).toEqual([dead]);
  });

  it("of an earlier rollout is forgotten", async () => {
    const archiver = withCanary();
    await archiver.background({ rolloutId: "r2" });
    await noteHandover(env.DB, { ...handover, dueAt: archiver.now });
    expect((await archiver.background({ rolloutId: "r2" })).series).toEqual([]);
    expect([await countRows("background_handovers"), await countRows("background_counts")]).toEqual([0, 0]);
  });
});
