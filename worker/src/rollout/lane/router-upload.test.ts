import { afterEach, describe, expect, it, vi } from "vitest";
import { canaryHub, captureLogs, withKey, type ProblemDocument } from "../../../test/hub.ts";
import { FakeRollout, laneOf, stableHub, type CanaryHandler } from "../../../test/lanes.ts";
import { CANARY_TIMEOUT_MS } from "./canary.ts";

captureLogs();

const NONE = { shares: { read: 0, write: 0, background: 0 } };
const ONE_REQUEST = { requests: 1, errors: 0, exceptions: 0, overdue: 0, fallbacks: 0 };
const BODY = new TextEncoder().encode(
  '{"dataset_id":"airport:ATL","table":"flights","records":[{"delay":1}]}',
);

/** The canary's own code, over what the stable lane forwards. */
const realCanary: CanaryHandler = async (request) => await canaryHub().fetch("/buffer", request);

/** An upload of which the client has sent the first bytes. */
function upload(length: Readonly<Record<string, string>> = {}) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const headers = { ...withKey, "content-type": "application/json", ...length };
  const writer = writable.getWriter();
  return {
    init: { method: "POST", body: readable, headers },
    writer,
    begun: writer.write(BODY.subarray(0, 5)),
  };
}

afterEach(() => {
  vi.useRealTimers();
});

describe.each([
  ["the canary", {}],
  ["the stable lane", NONE],
] as const)("an upload to %s", (name, view) => {
  const lane = name === "the canary" ? "canary" : "stable";

  it.each([{}, { "content-length": String(BODY.byteLength) }])(
    "that its client breaks off is a 400 and no error: %o",
    async (length) => {
      const rollout = new FakeRollout(view);
      const { init, writer, begun } = upload(length);
      const coming = stableHub(rollout, realCanary).fetch("/buffer", init);
      await begun;
      await writer.abort(new Error("Network connection lost."));
      const response = await coming;
      expect([response.status, laneOf(response)]).toEqual([400, lane]);
      expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:upload-broken-off");
      expect(rollout.figures(lane, "write")).toEqual(ONE_REQUEST);
      expect(rollout.series(lane, "write")[0]?.clients?.failed).toBe(0);
    },
  );

  it.each([{}, { "content-length": String(BODY.byteLength) }])(
    "is not overdue, nor given up, while its client is slow: %o",
    async (length) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const rollout = new FakeRollout(view);
      const { init, writer, begun } = upload(length);
      const hub = stableHub(rollout, realCanary);
      const coming = hub.fetch("/buffer", init);
      await begun;
      // The piece that was written last may still be on its way to whoever reads it.
      await vi.waitFor(() => expect(rollout.asked).toBe(1));
      for (let turn = 0; turn < 10; turn += 1) await vi.advanceTimersByTimeAsync(1);
      hub.clock.advance(2 * CANARY_TIMEOUT_MS);
      await vi.advanceTimersByTimeAsync(2 * CANARY_TIMEOUT_MS);
      await writer.write(BODY.subarray(5));
      await writer.close();
      expect((await coming).status).toBe(202);
      expect(rollout.figures(lane, "write")).toEqual(ONE_REQUEST);
      expect(rollout.series(lane, "write")[0]?.latency).toEqual([[0, 1]]);
    },
  );
});

describe("an upload whose client breaks it off", () => {
  it.each<[string, CanaryHandler]>([
    ["throws", (request) => request.text().then(() => new Response("whole"))],
    [
      "fails",
      (request) => request.text().catch(() => new Response("broken", { status: 500 })) as Promise<Response>,
    ],
  ])("is no exception and no error of a canary that %s for it", async (_how, canary) => {
    const rollout = new FakeRollout();
    const { init, writer, begun } = upload();
    const coming = stableHub(rollout, canary).fetch("/buffer", init);
    await begun;
    await writer.abort(new Error("Network connection lost."));
    await coming;
    expect(rollout.figures("canary", "write")).toEqual(ONE_REQUEST);
  });
});

describe("a canary that does not answer an upload that is whole", () => {
  it("is overdue, and given up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const rollout = new FakeRollout();
    const { init, writer, begun } = upload();
    let read = false;
    const coming = stableHub(rollout, async (request) => {
      await request.arrayBuffer();
      read = true;
      return await new Promise<Response>(() => {});
    }).fetch("/buffer", init);
    await begun;
    await writer.close();
    await vi.waitFor(() => expect(read).toBe(true));
    await vi.advanceTimersByTimeAsync(CANARY_TIMEOUT_MS);
    expect((await coming).status).toBe(504);
    expect(rollout.figures("canary", "write")).toMatchObject({ requests: 1, errors: 1, overdue: 1 });
  });
});
