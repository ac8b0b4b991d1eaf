import { describe, expect, it } from "vitest";
import { EXIT } from "../exit.ts";
import { BUSY, FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { MAX_BUSY_MS, retryAfterMs } from "./hub-call.ts";

const RUN = { method: "POST", path: "/admin/archive/compact", body: {} } as const;
const OK = { body: { done: true } };

const hubThat = async (...replies: Parameters<FakeHub["on"]>[1][]): Promise<FakeHub> =>
  (await FakeHub.start()).on("POST /admin/archive/compact", ...replies);

describe("a call of the hub", () => {
  it("carries the token and the body", async () => {
    const hub = await hubThat(OK);
    const { bytes, status } = await hub.call()({ ...RUN, body: { force: true } });
    expect([status, new TextDecoder().decode(bytes)]).toEqual([200, '{"done":true}']);
    expect(hub.requests).toMatchObject([{ token: "token", body: { force: true } }]);
  });

  it("waits as long as the hub says while another run works on the archive", async () => {
    const hub = await hubThat(BUSY, BUSY, OK);
    const began = hub.clock.now();
    await hub.call()(RUN);
    expect(hub.clock.now() - began).toBe(14_000);
    expect(hub.told).toEqual(Array(2).fill("another run works on the archive; waiting 7 s"));
  });

  it("gives up when the archive is busy for longer than a run may take", async () => {
    const hub = await hubThat(BUSY);
    const began = hub.clock.now();
    const error = await failure(hub.call()(RUN));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("archive-busy");
    expect(hub.clock.now() - began).toBeLessThanOrEqual(MAX_BUSY_MS);
    expect(hub.requests.length).toBeGreaterThan(10);
  });

  it.each([
    ["the archiver cannot be reached", problem(503, "archiver-unavailable", { "retry-after": "5" })],
    ["the archiver does not answer in time", problem(504, "archiver-timeout")],
    ["the connection breaks", "hang-up" as const],
  ])("is sent again when %s, but not for ever", async (_, reply) => {
    const once = await hubThat(reply, OK);
    await once.call()(RUN);
    expect(once.requests).toHaveLength(2);
    const always = await hubThat(reply);
    expect((await failure(always.call()(RUN))).exitCode).toBe(EXIT.failed);
    expect(always.requests).toHaveLength(5);
  });

  it.each([
    ["a 409 of another kind", problem(409, "rollout-active")],
    ["a 503 that names no time", problem(503, "not-configured")],
    ["a fault of the hub", problem(500, "internal-error")],
  ])("is not sent again after %s", async (_, reply) => {
    const hub = await hubThat(reply, OK);
    await failure(hub.call()(RUN));
    expect(hub.requests).toHaveLength(1);
  });

  it("that is refused names every fault of the input", async () => {
    const faults = [{ path: "/cursor", message: "is not one of ours" }];
    const hub = await hubThat({ status: 422, body: { type: "t", title: "The input does not fit", faults } });
    const error = await failure(hub.call()(RUN));
    expect(error.message).toBe("The hub answered 422 to POST /admin/archive/compact: The input does not fit");
    expect(error.hints).toEqual(["/cursor: is not one of ours"]);
  });

  it("tries the previous token, and ends with code 4 when that is refused too", async () => {
    const refused = problem(401, "unauthenticated");
    const rotating = await hubThat(refused, OK);
    await rotating.call(["new", "old"])(RUN);
    expect(rotating.requests.map(({ token }) => token)).toEqual(["new", "old"]);
    const error = await failure((await hubThat(refused)).call(["new", "old"])(RUN));
    expect([error.exitCode, error.message]).toEqual([
      EXIT.credentials,
      expect.stringContaining("ADMIN_TOKEN"),
    ]);
  });

  it("ends at once when the user stops it", async () => {
    const hub = await hubThat(BUSY);
    hub.stop.abort(new Error("stopped"));
    await expect(hub.call()(RUN)).rejects.toThrow("stopped");
    expect(hub.requests).toEqual([]);
  });
});

describe("Retry-After", () => {
  it.each([
    ["3", 3_000],
    ["0", 1_000],
    ["86400", 30_000],
    [null, 5_000],
    ["Wed, 21 Oct 2026 07:28:00 GMT", 5_000],
  ])("of %j is a wait of %i ms", (header, ms) => {
    expect(retryAfterMs(header)).toBe(ms);
  });
});
