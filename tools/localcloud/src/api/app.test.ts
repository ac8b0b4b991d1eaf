import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi, TOKEN } from "../../test/harness.ts";

let api: TestApi;
beforeEach(() => {
  api = new TestApi();
});
afterEach(() => api.close());

async function identity(path: string): Promise<unknown> {
  const response = await api.app.request(`http://127.0.0.1/client/v4${path}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return z.object({ success: z.literal(true), result: z.unknown() }).parse(await response.json()).result;
}

describe("authentication", () => {
  it("refuses a call without a token", async () => {
    const response = await api.app.request("http://127.0.0.1/client/v4/user");
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ success: false, errors: [{ code: 10000 }], result: null });
  });

  it("refuses a wrong token in Cloudflare's words", async () => {
    const response = await api.raw("GET", "/d1/database", { headers: { authorization: "Bearer nope" } });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      errors: [{ code: 9109, message: "Invalid access token" }],
    });
  });

  it("refuses another account", async () => {
    const response = await api.app.request(
      "http://127.0.0.1/client/v4/accounts/ffffffffffffffffffffffffffffffff/queues",
      { headers: { authorization: `Bearer ${TOKEN}` } },
    );
    expect(response.status).toBe(403);
  });

  it("tells who the token belongs to", async () => {
    expect(await identity("/user/tokens/verify")).toMatchObject({ status: "active" });
    expect(await identity("/user")).toMatchObject({ email: "developer@localcloud.test" });
    expect(await identity("/accounts?page=1")).toMatchObject([{ id: api.control.accountId }]);
    expect(await identity("/memberships?page=1")).toMatchObject([{ account: { id: api.control.accountId } }]);
  });
});

describe("an endpoint that is not known", () => {
  it("answers 501, names the call, logs it and keeps it in a list", async () => {
    const answer = await api.call("GET", "/vectorize/v2/indexes");
    expect(answer.status).toBe(501);
    expect(answer.errors[0]?.message).toMatch(
      /^the local cloud does not implement GET \/client\/v4\/accounts\/.*vectorize/,
    );
    expect(api.log.join("\n")).toContain("vectorize/v2/indexes");
    const listed = await (await api.raw("GET", "/__local/unknown")).json();
    expect(listed).toMatchObject([{ method: "GET", path: expect.stringContaining("vectorize") }]);
  });

  it("answers 501 for a known path with another method", async () => {
    expect(await api.refusal("DELETE", "/queues")).toEqual([501, 501]);
  });
});

describe("bad input", () => {
  it("refuses malformed JSON", async () => {
    const response = await api.raw("POST", "/d1/database", { body: "{nope" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ code: 6007 }] });
  });

  it("names every fault with its path", async () => {
    const answer = await api.call("POST", "/queues", {
      queue_name: "jobs",
      settings: { delivery_delay: -1, message_retention_period: 5 },
    });
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.message).toMatch(/settings\.delivery_delay.*settings\.message_retention_period/);
  });

  it("answers an internal error without a stack", async () => {
    await api.deploy("hub");
    api.runtime.applyError = new Error("workerd went away");
    const answer = await api.call("PUT", "/workers/scripts/hub/schedules", [{ cron: "* * * * *" }]);
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.errors)).not.toContain("at ");
    expect(api.log.join("\n")).toContain("workerd went away");
  });
});

describe("what needs no token", () => {
  it("answers loopback", async () => {
    expect((await api.raw("GET", "/__local/health")).status).toBe(200);
  });

  it("refuses a page of another origin, and a name rebound to loopback", async () => {
    const foreign = { headers: { origin: "https://example.com" } };
    expect((await api.raw("POST", "/__local/stop", foreign)).status).toBe(403);
    expect((await api.app.request("http://rebound.example/__local/state")).status).toBe(403);
    expect(api.stopRequests).toBe(0);
  });
});
