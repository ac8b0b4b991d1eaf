import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestApi, uploadForm } from "../../test/harness.ts";
import { CODE } from "./errors.ts";

let api: TestApi;
beforeEach(() => {
  api = new TestApi();
});
afterEach(() => api.close());

describe("a web page that knows the token", () => {
  it.each([
    ["a name rebound to loopback", { host: "evil.example" }],
    ["another origin", { origin: "http://evil.example" }],
  ])("is refused by the API: %s", async (_, headers) => {
    expect((await api.raw("GET", "/queues", { headers })).status).toBe(403);
  });
});

describe("an upload that is no form", () => {
  it.each([
    ["JSON", { body: "{}", headers: { "content-type": "application/json" } }],
    ["no body", {}],
    ["a broken form", { body: "--x\r\nno", headers: { "content-type": "multipart/form-data; boundary=x" } }],
    ["a form without boundary", { body: "x", headers: { "content-type": "multipart/form-data" } }],
  ])("is refused: %s", async (_, init) => {
    for (const [method, path] of [
      ["PUT", "/workers/scripts/hub"],
      ["POST", "/workers/scripts/hub/versions"],
    ] as const) {
      const response = await api.raw(method, path, init);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ errors: [{ code: CODE.WORKER_VALIDATION }] });
    }
  });
});

describe("a Durable Object class", () => {
  it("has an identifier for a name, as it names a folder of stored objects", async () => {
    const migrations = { new_tag: "v1", new_sqlite_classes: ["../../escaped"] };
    const upload = uploadForm({ metadata: { migrations } });
    expect(await api.refusal("PUT", "/workers/scripts/hub", upload)).toEqual([400, CODE.WORKER_VALIDATION]);
  });
});

describe("changes of one script at the same time", () => {
  it("all take effect", async () => {
    await api.deploy("hub");
    await Promise.all([
      api.call("PUT", "/workers/scripts/hub/schedules", [{ cron: "0 0 * * *" }]),
      api.call("POST", "/workers/scripts/hub/subdomain", { enabled: true }),
    ]);
    expect(api.control.store.scripts.get("hub")).toMatchObject({
      crons: ["0 0 * * *"],
      subdomainEnabled: true,
    });
  });
});
