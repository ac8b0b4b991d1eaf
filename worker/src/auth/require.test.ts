import { describe, expect, it } from "vitest";
import {
  captureLogs,
  ADMIN_TOKEN,
  API_KEY,
  asAdmin,
  testHub,
  withKey,
  type ProblemDocument,
} from "../../test/hub.ts";

captureLogs();

describe("an API key", () => {
  it.each([{ "x-api-key": API_KEY }, { authorization: `Bearer ${API_KEY}` }])(
    "lets a request pass: %o",
    async (headers) => {
      expect((await testHub().fetch("/tables", { headers })).status).toBe(200);
    },
  );

  it.each([
    {},
    { "x-api-key": "" },
    { "x-api-key": `${API_KEY}x` },
    { authorization: `Basic ${API_KEY}` },
    { authorization: `Bearer ${ADMIN_TOKEN}` },
    { "x-api-key": "wrong", authorization: `Bearer ${API_KEY}` },
  ])("is asked for, not given: %o", async (headers) => {
    const response = await testHub().fetch("/tables", { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="strata"');
    expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:unauthenticated");
  });

  it("is checked before the body is looked at", async () => {
    const response = await testHub().fetch("/buffer", { method: "POST", body: "x".repeat(2_000_000) });
    expect(response.status).toBe(401);
  });
});

describe("the admin token", () => {
  it("lets an operator pass", async () => {
    expect((await testHub().fetch("/admin/archive/stats", { headers: asAdmin })).status).toBe(200);
  });

  it.each([{}, withKey, { authorization: `Bearer ${API_KEY}` }, { "x-api-key": ADMIN_TOKEN }])(
    "is asked for everywhere under /admin, not given: %o",
    async (headers) => {
      for (const path of ["/admin/archive/stats", "/admin/rollout", "/admin/no-such-thing"]) {
        expect((await testHub().fetch(path, { headers })).status).toBe(401);
      }
    },
  );
});

describe("a hub without its secrets", () => {
  it("lets nobody in, and says how to set them", async () => {
    const hub = testHub({ BOOTSTRAP_API_KEY: "", ADMIN_TOKEN: "" });
    for (const [path, secret] of [
      ["/tables", "BOOTSTRAP_API_KEY"],
      ["/admin/rollout", "ADMIN_TOKEN"],
    ] as const) {
      const response = await hub.fetch(path, { headers: { authorization: "Bearer " } });
      expect(response.status).toBe(503);
      expect((await response.json<ProblemDocument>()).detail).toContain(`wrangler secret put ${secret}`);
    }
  });
});
