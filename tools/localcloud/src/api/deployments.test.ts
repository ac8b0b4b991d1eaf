import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi, uploadForm } from "../../test/harness.ts";

let api: TestApi;
let v1: string;
let v2: string;
beforeEach(async () => {
  api = new TestApi();
  v1 = await api.deploy("hub");
  v2 = await api.uploadVersion("hub", {
    code: "export default 2",
    metadata: { annotations: { "workers/tag": "t2", "workers/message": "second" } },
  });
});
afterEach(() => api.close());

const running = () =>
  api.runtime.applied.at(-1)?.scripts[0]?.versions.map(({ version, percentage }) => [version.id, percentage]);

const refused = async (shares: Record<string, number>) => {
  const answer = await api.split("hub", shares);
  return [answer.status, answer.errors[0]?.code];
};

describe("versions", () => {
  it("are uploaded without being deployed", async () => {
    expect(running()).toEqual([[v1, 100]]);
    expect((await api.call("GET", `/workers/scripts/hub/versions/${v2}`)).result).toMatchObject({
      id: v2,
      number: 2,
      annotations: { "workers/tag": "t2", "workers/message": "second" },
      metadata: { has_preview: false },
      resources: { bindings: [], script_runtime: { compatibility_date: "2026-11-17" } },
    });
  });

  it("are listed newest first, whole or by page", async () => {
    const items = z.object({ items: z.array(z.object({ id: z.string() })) });
    const ids = async (query: string): Promise<string[]> =>
      (await api.result(items, "GET", `/workers/scripts/hub/versions?${query}`)).items.map(({ id }) => id);
    expect(await ids("deployable=true")).toEqual([v2, v1]);
    expect(await ids("per_page=1&page=2")).toEqual([v1]);
  });

  it("cannot carry Durable Object migrations", async () => {
    const form = uploadForm({ metadata: { migrations: { new_tag: "v1", new_sqlite_classes: ["A"] } } });
    expect(await api.refusal("POST", "/workers/scripts/hub/versions", form)).toEqual([400, 10211]);
  });

  it("need a Worker that exists", async () => {
    expect(await api.refusal("POST", "/workers/scripts/none/versions", uploadForm())).toEqual([404, 10007]);
  });

  it("with the same code share one bundle", async () => {
    await api.uploadVersion("hub", { code: "export default 2" });
    const [third, second] = api.control.store.versions.list("hub");
    expect(third?.etag).toBe(second?.etag);
  });
});

describe("deployments", () => {
  it("split traffic between two versions", async () => {
    const answer = await api.split("hub", { [v1]: 90, [v2]: 10 });
    expect(answer.result).toMatchObject({
      strategy: "percentage",
      versions: [
        { version_id: v1, percentage: 90 },
        { version_id: v2, percentage: 10 },
      ],
    });
    expect(running()).toEqual([
      [v1, 90],
      [v2, 10],
    ]);
  });

  it("may give a version no traffic at all", async () => {
    expect((await api.split("hub", { [v1]: 100, [v2]: 0 })).success).toBe(true);
  });

  it("take one or two versions whose shares sum to 100", async () => {
    const v3 = await api.uploadVersion("hub");
    expect(await refused({ [v1]: 50, [v2]: 40 })).toEqual([400, 10001]);
    expect(await refused({ [v1]: 101, [v2]: -1 })).toEqual([400, 10001]);
    expect(await refused({ [v1]: 50, [v2]: 30, [v3]: 20 })).toEqual([400, 10001]);
    expect(await refused({})).toEqual([400, 10001]);
    expect(running()).toEqual([[v1, 100]]);
  });

  it("accept shares that are not whole", async () => {
    expect((await api.split("hub", { [v1]: 99.9, [v2]: 0.1 })).success).toBe(true);
  });

  it("refuse a version that is not there", async () => {
    expect(await refused({ "00000000-0000-4000-8000-000000000000": 100 })).toEqual([404, 10222]);
  });

  it("are listed newest first, ten at most", async () => {
    for (let round = 0; round < 6; round++) {
      await api.split("hub", { [v2]: 100 });
      await api.split("hub", { [v1]: 100 });
    }
    const list = z.object({ deployments: z.array(z.object({ versions: z.array(z.unknown()) })) });
    const { deployments } = await api.result(list, "GET", "/workers/scripts/hub/deployments");
    expect(deployments).toHaveLength(10);
    expect(deployments[0]?.versions).toEqual([{ version_id: v1, percentage: 100 }]);
  });

  it("are shown one by one", async () => {
    const { id } = await api.result(
      z.object({ id: z.string() }),
      "POST",
      "/workers/scripts/hub/deployments",
      {
        strategy: "percentage",
        versions: [{ version_id: v2, percentage: 100 }],
        annotations: { "workers/message": "promote" },
      },
    );
    expect((await api.call("GET", `/workers/scripts/hub/deployments/${id}`)).result).toMatchObject({
      id,
      annotations: { "workers/message": "promote" },
    });
  });
});

describe("going back", () => {
  it("is refused when a secret has changed since, unless forced", async () => {
    await api.split("hub", { [v2]: 100 });
    await api.call("PUT", "/workers/scripts/hub/secrets", { name: "S", text: "1", type: "secret_text" });
    const answer = await api.split("hub", { [v1]: 100 });
    expect(answer.errors).toMatchObject([
      { code: 10220, message: expect.stringMatching(/The following secrets have changed: S$/) },
    ]);
    expect((await api.split("hub", { [v1]: 100 }, "?force=true")).success).toBe(true);
  });

  it("is refused past a Durable Object migration", async () => {
    await api.deploy("hub", { metadata: { migrations: { new_tag: "v1", new_sqlite_classes: ["A"] } } });
    expect(await refused({ [v1]: 100 })).toEqual([400, 10211]);
  });

  it("is refused when something that the version binds is gone", async () => {
    await api.call("POST", "/r2/buckets", { name: "media" });
    const bindings = [{ type: "r2_bucket", name: "M", bucket_name: "media" }];
    const bound = await api.deploy("hub", { metadata: { bindings } });
    await api.deploy("hub");
    await api.call("DELETE", "/r2/buckets/media");
    expect(await refused({ [bound]: 100 })).toEqual([400, 10085]);
  });

  it("reaches the last hundred versions only", async () => {
    for (let round = 0; round < 99; round++) {
      await api.uploadVersion("hub");
    }
    expect(await refused({ [v1]: 100 })).toEqual([400, 10001]);
    expect((await api.split("hub", { [v2]: 100 })).success).toBe(true);
  });
});
