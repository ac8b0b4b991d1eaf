/** The whole Worker, its canary behind real RPC. */
import {
  createExecutionContext,
  createMessageBatch,
  createScheduledController,
  getQueueResult,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import {
  archiveService,
  backgroundWork,
  countRows,
  flight,
  QUEUE_NAME,
  TestArchiver,
  useStorage,
  workerEnv,
} from "../../test/archiver.ts";
import type { BackgroundOrder, BackgroundSeries } from "../contract.ts";
import type { Env } from "../env.generated.ts";
import worker from "../index.ts";

useStorage();

const ORDER: BackgroundOrder = {
  rolloutId: "r1",
  phase: 1,
  revision: 1,
  share: 100,
  validMs: 60_000,
  overdueMs: 5_000,
  probe: false,
};

/** A release that is as good as the stable one: this Worker's own code, over RPC. */
const goodCanary = (): Env => ({ ...workerEnv(), CANARY: backgroundWork() as Env["CANARY"] & object });

async function deliver(bindings: Env): Promise<readonly string[]> {
  const archiver = new TestArchiver();
  for (const minutes of [1, 2, 3]) {
    await archiver.ingest({ datasetId: "LAS", table: "flights", records: [flight(minutes)] });
  }
  const batch = createMessageBatch(
    QUEUE_NAME,
    archiver.waiting.map((message) => ({ ...message, timestamp: new Date() })),
  );
  const context = createExecutionContext();
  await worker.queue(batch, bindings);
  return (await getQueueResult(batch, context)).explicitAcks;
}

async function counted(order: Partial<BackgroundOrder> = {}): Promise<readonly Partial<BackgroundSeries>[]> {
  const { series } = await archiveService().background({ ...ORDER, ...order });
  return series.map(({ lane, route, requests, errors, exceptions }) => ({
    lane,
    route,
    requests,
    errors,
    exceptions,
  }));
}

describe("a good canary", () => {
  it("stores the queue's messages", async () => {
    await archiveService().background(ORDER);
    expect(await deliver(goodCanary())).toHaveLength(3);
    expect(await countRows("buffer_logs")).toBe(3);
    expect(await counted()).toEqual([
      { lane: "canary", route: "queue", requests: 3, errors: 0, exceptions: 0 },
    ]);
  });

  it("does what a cron does", async () => {
    await new TestArchiver().store([flight(1)]);
    await archiveService().background(ORDER);
    await worker.scheduled(createScheduledController(), goodCanary());
    expect([await countRows("buffer_logs"), await countRows("archived_files")]).toEqual([0, 1]);
    expect(await counted()).toEqual([
      { lane: "canary", route: "cron", requests: 1, errors: 0, exceptions: 0 },
    ]);
  });

  it("says which steps of a run failed", async () => {
    await env.DB.prepare("DROP TABLE leases").run();
    const { failed } = await backgroundWork().run({ kind: "probe", holder: "canary probe 1" });
    expect(failed.map(({ step }) => step)).toEqual(["archive", "retention", "compaction"]);
    expect(failed[0]?.reason).toContain("no such table: leases");
  });
});

describe("a canary whose background work is broken", () => {
  it("loses no message, and is counted as throwing", async () => {
    await archiveService().background(ORDER);
    expect(await deliver(workerEnv())).toHaveLength(3);
    expect(await countRows("buffer_logs")).toBe(3);
    expect(await counted()).toEqual([
      { lane: "canary", route: "queue", requests: 3, errors: 3, exceptions: 1 },
    ]);
  });

  it("keeps no cron from its work", async () => {
    await new TestArchiver().store([flight(1)]);
    await archiveService().background(ORDER);
    await worker.scheduled(createScheduledController(), workerEnv());
    expect([await countRows("buffer_logs"), await countRows("archived_files")]).toEqual([0, 1]);
    expect(await counted()).toEqual([
      { lane: "canary", route: "cron", requests: 1, errors: 1, exceptions: 0 },
    ]);
  });

  it("shows in the phase, by a probe that the order asks for", async () => {
    await archiveService().background({ ...ORDER, probe: true });
    await vi.waitFor(async () =>
      expect(await counted()).toEqual([
        { lane: "canary", route: "cron", requests: 1, errors: 1, exceptions: 0 },
      ]),
    );
  });
});

describe("the canary itself", () => {
  it("hands nothing over", async () => {
    await archiveService().background(ORDER);
    expect(await deliver({ ...workerEnv(), LANE: "canary" })).toHaveLength(3);
    expect(await counted()).toEqual([]);
  });
});
