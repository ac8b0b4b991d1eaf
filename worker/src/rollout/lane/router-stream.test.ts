import { describe, expect, it, vi } from "vitest";
import { captureLogs, withKey } from "../../../test/hub.ts";
import { FakeRollout, laneOf, stableHub } from "../../../test/lanes.ts";

captureLogs();

const FINE = { requests: 1, errors: 0, exceptions: 0 };
const BROKEN = { requests: 1, errors: 1, exceptions: 1 };

describe("an answer that the canary streams", () => {
  const streamOf = (pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void) =>
    new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });

  it("reaches the client as it comes, whole", async () => {
    const rollout = new FakeRollout();
    const answer = await stableHub(rollout).fetch("/read?canary-body=whole");
    expect([laneOf(answer), answer.headers.get("etag"), await answer.text()]).toEqual([
      "canary",
      '"canary"',
      "one two",
    ]);
    expect(rollout.figures("canary")).toMatchObject(FINE);
  });

  it("is read no faster than the client reads", async () => {
    let made = 0;
    const hub = stableHub(
      new FakeRollout(),
      () => new Response(streamOf((controller) => controller.enqueue(Uint8Array.of((made += 1))))),
    );
    const reader = (await hub.fetch("/")).body?.getReader();
    for (let index = 0; index < 3; index += 1) await reader?.read();
    expect(made).toBeLessThanOrEqual(4);
    await reader?.cancel();
  });

  it("is let go when the client goes away, which is no error of the canary's", async () => {
    const rollout = new FakeRollout();
    const cancel = vi.fn();
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) =>
      controller.enqueue(Uint8Array.of(1));
    const hub = stableHub(rollout, () => new Response(new ReadableStream({ pull, cancel })));
    const reader = (await hub.fetch("/")).body?.getReader();
    await reader?.read();
    await reader?.cancel("gone");
    expect(cancel).toHaveBeenCalledWith("gone");
    expect(rollout.figures("canary")).toMatchObject(FINE);
  });

  it("that breaks off breaks off for the client too, and is told to the gate at once", async () => {
    const rollout = new FakeRollout();
    const broken = await stableHub(rollout).fetch("/read?canary-body=broken");
    expect(broken.status).toBe(200);
    await expect(broken.text()).rejects.toThrow(/./);
    await vi.waitFor(() => expect(rollout.figures("canary")).toMatchObject(BROKEN));
  });

  it("that is a 304 or answers HEAD has no body, and keeps its tag", async () => {
    const hub = stableHub(new FakeRollout());
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

  it("keeps the length that it states", async () => {
    const rollout = new FakeRollout();
    const answer = () => new Response("four", { headers: { "content-length": "4" } });
    const response = await stableHub(rollout, answer).fetch("/");
    expect([response.headers.get("content-length"), await response.text()]).toEqual(["4", "four"]);
    expect(rollout.figures("canary")).toMatchObject(FINE);
  });

  it.each([
    ["breaks off", (controller: ReadableStreamDefaultController) => controller.error(new Error("broken"))],
    ["ends early", (controller: ReadableStreamDefaultController) => controller.close()],
  ])("counts as broken when it states its length and %s", async (_how, end) => {
    const rollout = new FakeRollout();
    let pulled = 0;
    const body = streamOf((controller) => {
      pulled += 1;
      if (pulled === 1) controller.enqueue(Uint8Array.of(1));
      else end(controller);
    });
    const answer = () => new Response(body, { headers: { "content-length": "4" } });
    const response = await stableHub(rollout, answer).fetch("/");
    await expect(response.arrayBuffer()).rejects.toThrow(/./);
    await vi.waitFor(() => expect(rollout.figures("canary")).toMatchObject(BROKEN));
  });

  it("is passed on as it is when its stated length is that of an encoded body", async () => {
    const headers = { "content-length": "4", "content-encoding": "br" };
    const answer = new Response("four", { headers, encodeBody: "manual" });
    const response = await stableHub(new FakeRollout(), () => answer).fetch("/");
    expect(response.headers.get("content-length")).toBe("4");
    await response.body?.cancel();
  });
});

describe("an answer that the stable lane streams while a rollout is open", () => {
  const NONE = { shares: { read: 0, write: 0, background: 0 } };
  const page = (dataset: string) => `/read?dataset_id=${dataset}&table=flights`;

  it("reaches the client whole, with its headers", async () => {
    const closed = new FakeRollout();
    closed.close();
    const rollout = new FakeRollout(NONE);
    const [open, plain] = await Promise.all(
      [rollout, closed].map((each) => stableHub(each).fetch(page("cold"), { headers: withKey })),
    );
    expect(await open?.text()).toBe(await plain?.text());
    const fixed = (answer?: Response) =>
      [...(answer?.headers ?? [])].filter(([name]) => name !== "x-request-id");
    expect(fixed(open)).toEqual(fixed(plain));
    expect(rollout.figures("stable")).toMatchObject(FINE);
  });

  it("counts when it breaks off as it would on the canary: a damaged page is no difference between them", async () => {
    const rollout = new FakeRollout(NONE);
    const answer = await stableHub(rollout).fetch(page("broken"), { headers: withKey });
    expect([answer.status, laneOf(answer)]).toEqual([200, "stable"]);
    await expect(answer.text()).rejects.toThrow(/./);
    await vi.waitFor(() => expect(rollout.figures("stable")).toMatchObject(BROKEN));
  });
});
