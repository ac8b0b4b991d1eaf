import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

const shell = {
  name: "hub",
  logpush: false,
  observability: {
    enabled: false,
    head_sampling_rate: 1,
    traces: { enabled: false, head_sampling_rate: 1, persist: true },
  },
  subdomain: { enabled: false, previews_enabled: false },
  tags: [],
  tail_consumers: [],
};
const workerSchema = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), name: z.string() });

let api: TestApi;
let id: string;
beforeEach(async () => {
  api = new TestApi();
  id = (await api.result(workerSchema, "POST", "/workers/workers", shell)).id;
});
afterEach(() => api.close());

describe("a shell", () => {
  it("is read back as it was written, by id and by name", async () => {
    for (const key of [id, "hub"]) {
      expect((await api.call("GET", `/workers/workers/${key}`)).result).toMatchObject({
        id,
        ...shell,
        deployed_on: null,
        references: { workers: [], queues: [] },
      });
    }
  });

  it("is a service without deployments, to which real clients deploy", async () => {
    expect((await api.call("GET", "/workers/services/hub")).success).toBe(true);
    expect((await api.call("GET", "/workers/scripts/hub/deployments")).result).toEqual({ deployments: [] });
    expect((await api.call("GET", "/workers/scripts/hub/secrets")).result).toEqual([]);
    expect((await api.call("GET", "/workers/scripts")).result).toEqual([]);
    const version = await api.uploadVersion("hub");
    expect((await api.split("hub", { [version]: 100 })).success).toBe(true);
    expect((await api.call("GET", `/workers/workers/${id}`)).result).not.toMatchObject({ deployed_on: null });
  });

  it("keeps id, port and code when its settings change", async () => {
    const version = await api.deploy("hub");
    const changed = { ...shell, subdomain: { enabled: true, previews_enabled: false }, tags: ["a"] };
    expect((await api.call("PUT", `/workers/workers/${id}`, changed)).result).toMatchObject({
      id,
      ...changed,
    });
    const [script] = api.runtime.applied.at(-1)?.scripts ?? [];
    expect(script).toMatchObject({ public: true, port: 20_000, versions: [{ version: { id: version } }] });
  });

  it("falls back to defaults by PUT, and changes in part by PATCH", async () => {
    await api.call("PATCH", `/workers/workers/hub`, { tags: ["a"], logpush: true });
    await api.call("PATCH", `/workers/workers/hub`, { logpush: false });
    expect((await api.call("GET", "/workers/workers/hub")).result).toMatchObject({
      tags: ["a"],
      logpush: false,
    });
    await api.call("PUT", "/workers/workers/hub", { name: "hub" });
    expect((await api.call("GET", "/workers/workers/hub")).result).toMatchObject(shell);
  });

  it("is created without touching what runs", () => {
    expect(api.runtime.applied).toEqual([]);
  });

  it("has a name of its own, for life", async () => {
    expect(await api.refusal("POST", "/workers/workers", shell)).toEqual([409, 10016]);
    expect(await api.refusal("PATCH", "/workers/workers/hub", { name: "other" })).toEqual([501, 501]);
  });

  it("is listed by page, and gone once deleted", async () => {
    await api.call("POST", "/workers/workers", { name: "archiver" });
    expect((await api.call("GET", "/workers/workers?per_page=1&page=2")).result).toMatchObject([
      { name: "hub" },
    ]);
    await api.call("DELETE", `/workers/workers/${id}`);
    expect(await api.refusal("GET", `/workers/workers/${id}`)).toEqual([404, 10007]);
    expect(await api.refusal("DELETE", `/workers/workers/${id}`)).toEqual([404, 10007]);
  });
});

describe("triggers", () => {
  it("turn the public address on and off, and tell the data plane only of changes", async () => {
    const post = (enabled: boolean) => api.call("POST", "/workers/scripts/hub/subdomain", { enabled });
    expect((await post(true)).result).toEqual({ enabled: true, previews_enabled: false });
    await post(true);
    expect(api.runtime.applied.map(({ scripts }) => scripts[0]?.public)).toEqual([true]);
    await api.call("DELETE", "/workers/scripts/hub/subdomain");
    expect(api.runtime.applied.at(-1)?.scripts[0]?.public).toBe(false);
  });

  it("replace the crons as a whole", async () => {
    const path = "/workers/scripts/hub/schedules";
    await api.call("PUT", path, [{ cron: "*/5 * * * *" }, { cron: "0 0 * * MON" }]);
    await api.call("PUT", path, [{ cron: "7 * * * *" }]);
    expect((await api.call("GET", path)).result).toMatchObject({ schedules: [{ cron: "7 * * * *" }] });
    expect(api.runtime.applied.at(-1)?.scripts[0]?.crons).toEqual(["7 * * * *"]);
    await api.call("PUT", path, []);
    expect((await api.call("GET", path)).result).toEqual({ schedules: [] });
  });

  it("refuse what is no cron", async () => {
    const answer = await api.call("PUT", "/workers/scripts/hub/schedules", [{ cron: "every minute" }]);
    expect([answer.status, answer.errors[0]?.code]).toEqual([400, 10100]);
    expect(answer.errors[0]?.message).toContain("every minute");
  });

  it("have no domains, and refuse to pretend", async () => {
    expect(
      (await api.call("POST", "/workers/scripts/hub/domains/changeset?replace_state=true", [])).result,
    ).toEqual({
      added: [],
      removed: [],
      updated: [],
      conflicting: [],
    });
    expect((await api.call("PUT", "/workers/scripts/hub/domains/records", { origins: [] })).success).toBe(
      true,
    );
    const origins = [{ hostname: "hub.example.com" }];
    expect(await api.refusal("POST", "/workers/scripts/hub/domains/changeset", origins)).toEqual([501, 501]);
  });

  it("name the account's subdomain", async () => {
    expect((await api.call("GET", "/workers/subdomain")).result).toEqual({ subdomain: "localcloud" });
  });
});

describe("/__local", () => {
  it("shows what runs, where, in which shares", async () => {
    const version = await api.deploy("hub", { metadata: { annotations: { "workers/tag": "g1" } } });
    const state = await (await api.raw("GET", "/__local/state")).json();
    expect(state).toMatchObject({
      scripts: [
        {
          name: "hub",
          url: "http://127.0.0.1:20000",
          versions: [{ id: version, percentage: 100, number: 1, tag: "g1" }],
        },
      ],
      queues: [],
    });
  });

  it("fires a cron now", async () => {
    const fire = (body: unknown) => api.call("POST", "/__local/cron", body);
    expect(await fire({ script: "none" })).toMatchObject({ status: 404 });
    expect(await fire({ script: "hub" })).toMatchObject({ status: 409 });
    await api.deploy("hub");
    expect(await fire({ script: "hub" })).toMatchObject({ status: 400 });
    expect((await fire({ script: "hub", cron: "* * * * *" })).result).toMatchObject({
      outcome: "ok * * * * *",
    });
  });

  it("stops when it is asked to", async () => {
    await api.raw("POST", "/__local/stop");
    expect(api.stopRequests).toBe(1);
  });
});
