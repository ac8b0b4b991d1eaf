import { reset } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { asAdmin, captureLogs, json, testHub, type TestHub } from "../../test/hub.ts";
import type { RolloutState } from "./contract.ts";

captureLogs();

const RELEASE = { tag: "r-3f2a9c01d4e5", canaryVersion: "canary-1", stableVersion: "hub-1" };

let hub: TestHub;

async function command(path: string, body: unknown): Promise<RolloutState> {
  return await (await testHub().fetch(`/admin/rollout${path}`, json(body, asAdmin))).json<RolloutState>();
}

async function state(): Promise<RolloutState> {
  return await (await testHub().fetch("/admin/rollout", { headers: asAdmin })).json<RolloutState>();
}

/** Begins a rollout that sends everything to the canary. */
async function begin(gate = {}): Promise<void> {
  const { id } = await command("/start", { release: RELEASE, gate });
  await command(`/${id}/phase`, { phase: 3 });
}

const laneOf = (response: Response) => response.headers.get("strata-lane");

/** A canary that does what a test says. */
function canary(answer: () => Response): { readonly CANARY: Fetcher } {
  return { CANARY: { fetch: () => Promise.resolve(answer()) } as unknown as Fetcher };
}

beforeEach(() => {
  hub = testHub();
});
afterEach(async () => {
  await reset();
});

describe("an answer that the canary streams", () => {
  const streamOf = (pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void) =>
    new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });

  it("reaches the client as it comes, whole", async () => {
    await begin();
    const answer = await hub.fetch("/read?canary-body=whole");
    expect([laneOf(answer), answer.headers.get("etag"), await answer.text()]).toEqual([
      "canary",
      '"canary"',
      "one two",
    ]);
    expect((await state()).counts.canary.read).toEqual({ requests: 1, errors: 0 });
  });

  it("is read no faster than the client reads", async () => {
    await begin();
    let made = 0;
    const isolate = testHub(
      canary(() => new Response(streamOf((controller) => controller.enqueue(Uint8Array.of((made += 1)))))),
    );
    const reader = (await isolate.fetch("/")).body?.getReader();
    for (let index = 0; index < 3; index += 1) await reader?.read();
    expect(made).toBeLessThanOrEqual(4);
    await reader?.cancel();
  });

  it("is let go when the client goes away, which is no error of the canary's", async () => {
    await begin();
    let cancelled: unknown = null;
    const isolate = testHub(
      canary(
        () =>
          new Response(
            new ReadableStream({
              pull: (controller) => controller.enqueue(Uint8Array.of(1)),
              cancel: (reason) => {
                cancelled = reason;
              },
            }),
          ),
      ),
    );
    const reader = (await isolate.fetch("/")).body?.getReader();
    await reader?.read();
    await reader?.cancel("gone");
    expect(cancelled).toBe("gone");
    expect((await state()).counts.canary.read).toEqual({ requests: 1, errors: 0 });
  });

  it("that breaks off breaks off for the client too, and is an error for the gate", async () => {
    await begin({ minSample: 2, maxErrorShare: 0.5 });
    const broken = await hub.fetch("/read?canary-body=broken");
    expect(broken.status).toBe(200);
    await expect(broken.text()).rejects.toThrow(/./);
    await vi.waitFor(async () => {
      expect((await state()).counts.canary.read).toEqual({ requests: 1, errors: 1 });
    });
    const second = await hub.fetch("/read?canary-body=broken");
    await expect(second.text()).rejects.toThrow(/./);
    await vi.waitFor(async () => expect((await state()).status).toBe("rolled-back"));
  });

  it("that is a 304 or answers HEAD has no body, and keeps its tag", async () => {
    await begin();
    const unchanged = await hub.fetch("/read?canary-status=304");
    const head = await hub.fetch("/read?canary-body=whole", { method: "HEAD" });
    for (const answer of [unchanged, head]) {
      expect([laneOf(answer), answer.headers.get("etag"), await answer.text()]).toEqual([
        "canary",
        '"canary"',
        "",
      ]);
    }
    expect([unchanged.status, head.status]).toEqual([304, 200]);
  });

  it("is not streamed anew when it states its length", async () => {
    await begin();
    const isolate = testHub(canary(() => new Response("four", { headers: { "content-length": "4" } })));
    expect((await isolate.fetch("/")).headers.get("content-length")).toBe("4");
  });
});
