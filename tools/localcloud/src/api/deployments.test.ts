import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi, uploadForm } from "../../test/harness.ts";
import { lexerReady } from "../runtime/module-exports.ts";
import { hostOf } from "../runtime/placement.ts";

const WITH_CLASS = "export class A {} export default {};";

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

  it("that can be deployed are those of after the last migration, with all that they bind", async () => {
    const items = z.object({ items: z.array(z.object({ id: z.string() })) });
    const deployable = async () =>
      (await api.result(items, "GET", "/workers/scripts/hub/versions?deployable=true")).items.map(
        ({ id }) => id,
      );
    await api.call("POST", "/r2/buckets", { name: "media" });
    const bindings = [{ type: "r2_bucket", name: "M", bucket_name: "media" }];
    const migrations = { new_tag: "v1", new_sqlite_classes: ["A"] };
    const bound = await api.deploy("hub", { code: WITH_CLASS, metadata: { bindings, migrations } });
    const free = await api.uploadVersion("hub", { code: WITH_CLASS });
    expect(await deployable()).toEqual([free, bound]);
    await api.call("DELETE", "/r2/buckets/media");
    expect(await deployable()).toEqual([free]);
    const all = await api.result(items, "GET", "/workers/scripts/hub/versions");
    expect(all.items).toHaveLength(4);
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

  it("name a version once", async () => {
    const half = { version_id: v1, percentage: 50 };
    const answer = await api.call("POST", "/workers/scripts/hub/deployments", {
      strategy: "percentage",
      versions: [half, half],
    });
    expect(answer).toMatchObject({
      status: 400,
      errors: [{ code: 10001, message: expect.stringContaining("a version appears twice") }],
    });
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

  it("asks for force when one version takes all, not for a split", async () => {
    await api.split("hub", { [v2]: 100 });
    await api.call("PUT", "/workers/scripts/hub/secrets", { name: "S", text: "1", type: "secret_text" });
    const v3 = api.control.store.versions.latest("hub")?.id ?? "";
    expect((await api.split("hub", { [v3]: 50, [v1]: 50 })).success).toBe(true);
    expect(await refused({ [v1]: 100 })).toEqual([400, 10220]);
    expect((await api.split("hub", { [v3]: 100 })).success).toBe(true);
  });

  it("is refused past a Durable Object migration", async () => {
    const migrations = { new_tag: "v1", new_sqlite_classes: ["A"] };
    await api.deploy("hub", { code: WITH_CLASS, metadata: { migrations } });
    expect(await refused({ [v1]: 100 })).toEqual([400, 10211]);
  });

  describe("is refused when what the version binds is gone:", () => {
    /** Makes something to bind; returns the binding and the call that deletes what it leads to. */
    type Target = () => Promise<{ binding: Record<string, unknown>; path: string }>;
    const made = async (path: string, body: unknown, field: string): Promise<string> => {
      const fields = await api.result(z.record(z.string(), z.unknown()), "POST", path, body);
      return z.string().parse(fields[field]);
    };
    const TARGETS: [what: string, code: number, target: Target][] = [
      [
        "a KV namespace",
        10041,
        async () => {
          const id = await made("/storage/kv/namespaces", { title: "t" }, "id");
          return {
            binding: { type: "kv_namespace", namespace_id: id },
            path: `/storage/kv/namespaces/${id}`,
          };
        },
      ],
      [
        "a D1 database",
        10181,
        async () => {
          const id = await made("/d1/database", { name: "t" }, "uuid");
          return { binding: { type: "d1", id }, path: `/d1/database/${id}` };
        },
      ],
      [
        "an R2 bucket",
        10085,
        async () => {
          const name = await made("/r2/buckets", { name: "media" }, "name");
          return { binding: { type: "r2_bucket", bucket_name: name }, path: `/r2/buckets/${name}` };
        },
      ],
      [
        "a queue",
        11000,
        async () => {
          const id = await made("/queues", { queue_name: "jobs" }, "queue_id");
          return { binding: { type: "queue", queue_name: "jobs" }, path: `/queues/${id}` };
        },
      ],
      [
        "a Worker",
        10144,
        async () => {
          await api.deploy("archiver");
          const path = "/workers/scripts/archiver?force=true";
          return { binding: { type: "service", service: "archiver" }, path };
        },
      ],
      [
        "another Worker's Durable Object class",
        10061,
        async () => {
          await api.deploy("archiver", {
            code: WITH_CLASS,
            metadata: { migrations: { new_tag: "v1", new_sqlite_classes: ["A"] } },
          });
          const binding = { type: "durable_object_namespace", class_name: "A", script_name: "archiver" };
          return { binding, path: "/workers/scripts/archiver?force=true" };
        },
      ],
    ];

    it.each(TARGETS)("%s", async (_what, code, target) => {
      const { binding, path } = await target();
      const bound = await api.deploy("hub", { metadata: { bindings: [{ name: "B", ...binding }] } });
      const free = await api.deploy("hub");
      expect((await api.split("hub", { [bound]: 100 })).success).toBe(true);
      await api.split("hub", { [free]: 100 });
      expect((await api.call("DELETE", path)).success).toBe(true);
      expect(await refused({ [bound]: 100 })).toEqual([400, code]);
      expect(await refused({ [free]: 100, [bound]: 0 })).toEqual([400, code]);
      expect(running()).toEqual([[free, 100]]);
    });
  });

  it("reaches the last hundred versions only", async () => {
    for (let round = 0; round < 99; round++) {
      await api.uploadVersion("hub");
    }
    const answer = await api.split("hub", { [v1]: 100 });
    expect(answer).toMatchObject({
      status: 400,
      errors: [
        { code: 10001, message: `Version ${v1} is too old: only the last 100 versions can be deployed.` },
      ],
    });
    const items = z.object({ items: z.array(z.object({ id: z.string() })) });
    const listed = await api.result(items, "GET", "/workers/scripts/hub/versions?deployable=true");
    expect([listed.items.length, listed.items.at(-1)?.id]).toEqual([100, v2]);
    expect((await api.split("hub", { [v2]: 100 })).success).toBe(true);
  });
});

describe("a Durable Object class during a rollout", () => {
  it("is hosted by one version, and moves to the new one once, whatever the order of the shares", async () => {
    await lexerReady;
    const old = await api.deploy("hub", {
      code: WITH_CLASS,
      metadata: { migrations: { new_tag: "v1", new_sqlite_classes: ["A"] } },
    });
    const next = await api.uploadVersion("hub", { code: `${WITH_CLASS} // next` });
    const host = () => {
      const script = api.runtime.applied.at(-1)?.scripts[0];
      return script === undefined ? undefined : hostOf(script, "A")?.id;
    };
    const hosts: unknown[] = [];
    for (const [index, share] of [0, 1, 10, 49, 50, 51, 99].entries()) {
      const [first, second] = [`${old}=${100 - share}`, `${next}=${share}`];
      const ordered = index % 2 === 0 ? [first, second] : [second, first];
      const shares = Object.fromEntries(
        ordered.map((part) => part.split("=")).map(([id = "", percentage]) => [id, Number(percentage)]),
      );
      expect((await api.split("hub", shares)).success).toBe(true);
      hosts.push(host());
    }
    expect(hosts).toEqual([old, old, old, old, next, next, next]);
  });
});
