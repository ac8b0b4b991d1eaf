import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { NOW, TestApi, uploadForm } from "../../test/harness.ts";

let api: TestApi;
beforeEach(() => {
  api = new TestApi();
});
afterEach(() => api.close());

const put = (name: string, metadata: Record<string, unknown>, code = "export default {}") =>
  api.refusal("PUT", `/workers/scripts/${name}?bindings_inherit=strict`, uploadForm({ code, metadata }));

describe("uploading a Worker", () => {
  it("creates, deploys and runs it", async () => {
    const id = await api.deploy("hub", {
      code: "export default { fetch: () => new Response() }",
      metadata: { annotations: { "workers/tag": "g1", "workers/message": "first" } },
    });
    const [script] = api.runtime.applied.at(-1)?.scripts ?? [];
    expect(script).toMatchObject({ name: "hub", port: 20_000, public: false });
    expect(script?.versions).toMatchObject([
      { percentage: 100, version: { id, number: 1, tag: "g1", message: "first", mainModule: "index.js" } },
    ]);
    const [module] = script?.versions[0]?.version.modules ?? [];
    expect(new TextDecoder().decode(module?.contents)).toContain("new Response()");
  });

  it("keeps every kind of module and leaves source maps out", async () => {
    const form = uploadForm();
    form.set("a.wasm", new File([new Uint8Array([0, 97])], "a.wasm", { type: "application/wasm" }));
    form.set("t.txt", new File(["t"], "t.txt", { type: "text/plain" }));
    form.set("d.bin", new File(["d"], "d.bin", { type: "application/octet-stream" }));
    form.set("c.js", new File(["c"], "c.js", { type: "application/javascript" }));
    await api.call("PUT", "/workers/scripts/hub", form);
    const modules = api.runtime.checked[0]?.modules.map(({ name, type }) => [name, type]);
    expect(modules).toEqual([
      ["index.js", "esm"],
      ["a.wasm", "wasm"],
      ["t.txt", "text"],
      ["d.bin", "data"],
      ["c.js", "commonjs"],
    ]);
  });

  it("reports why the code does not start, and stores nothing", async () => {
    api.runtime.fault = { message: "Uncaught ReferenceError: nope is not defined" };
    const answer = await api.call("PUT", "/workers/scripts/hub", uploadForm());
    expect(answer).toMatchObject({
      status: 400,
      errors: [{ code: 10021, message: "Uncaught ReferenceError: nope is not defined" }],
    });
    expect(await api.refusal("GET", "/workers/services/hub")).toEqual([404, 10090]);
    expect(api.runtime.applied).toEqual([]);
  });

  it("leaves everything as it was when the data plane refuses it", async () => {
    await api.deploy("hub");
    api.runtime.applyError = new Error("workerd refuses");
    expect(await api.refusal("PUT", "/workers/scripts/hub", uploadForm({ code: "export {}" }))).toEqual([
      500, 1101,
    ]);
    expect(api.control.store.versions.list("hub")).toHaveLength(1);
    const running = api.runtime.applied.at(-1)?.scripts[0]?.versions[0]?.version.number;
    expect(running).toBe(1);
  });

  it("refuses what it cannot read", async () => {
    expect(await put("hub", { main_module: "none.js" })).toEqual([400, 10021]);
    expect(await put("hub", { main_module: undefined, body_part: "index.js" })).toEqual([400, 10021]);
    expect(await put("Not A Name", {})).toEqual([400, 10016]);
    const form = uploadForm();
    form.set("x.py", new File(["x"], "x.py", { type: "text/x-python" }));
    expect(await api.refusal("PUT", "/workers/scripts/hub", form)).toEqual([400, 10021]);
    expect(await api.refusal("PUT", "/workers/scripts/hub", new FormData())).toEqual([400, 10021]);
  });

  it("refuses what does not run here, and names it", async () => {
    for (const key of ["assets", "containers", "exports"]) {
      const form = uploadForm({ metadata: { [key]: { x: 1 } } });
      const answer = await api.call("PUT", "/workers/scripts/hub", form);
      expect([answer.status, answer.errors[0]?.message]).toEqual([501, expect.stringContaining(key)]);
    }
    const bindings = [{ type: "vectorize", name: "V", index_name: "i" }];
    const answer = await api.call("PUT", "/workers/scripts/hub", uploadForm({ metadata: { bindings } }));
    expect([answer.status, answer.errors[0]?.message]).toEqual([501, expect.stringMatching(/vectorize.*V/)]);
  });

  it("refuses a bundle beyond 10 MiB after gzip", async () => {
    const form = uploadForm();
    const noise = crypto.getRandomValues.bind(crypto);
    const chunks = Array.from({ length: 176 }, () => noise(new Uint8Array(65_536)));
    form.set("big.bin", new File(chunks, "big.bin", { type: "application/octet-stream" }));
    expect(await api.refusal("PUT", "/workers/scripts/hub", form)).toEqual([413, 10027]);
  });

  it("refuses a bundle beyond 64 MiB, however well it packs", async () => {
    const form = uploadForm();
    const zeros = new Uint8Array(64 * 1024 * 1024);
    form.set("big.bin", new File([zeros], "big.bin", { type: "application/octet-stream" }));
    expect(await api.refusal("PUT", "/workers/scripts/hub", form)).toEqual([413, 10027]);
  });
});

describe("bindings", () => {
  const missing: [string, Record<string, string>, number][] = [
    ["a KV namespace", { type: "kv_namespace", namespace_id: "none" }, 10041],
    ["a D1 database", { type: "d1", id: "11111111-1111-4111-8111-111111111111" }, 10181],
    ["a D1 database that has no such id", { type: "d1", id: "none" }, 10021],
    ["an R2 bucket", { type: "r2_bucket", bucket_name: "none" }, 10085],
    ["a queue", { type: "queue", queue_name: "none" }, 11000],
    ["a Worker", { type: "service", service: "none" }, 10144],
    ["a Durable Object class", { type: "durable_object_namespace", class_name: "None" }, 10061],
    [
      "another Worker's class",
      { type: "durable_object_namespace", class_name: "A", script_name: "none" },
      10061,
    ],
  ];
  it.each(missing)(
    "to %s that is not there are refused with the platform's code",
    async (_what, binding, code) => {
      expect(await put("hub", { bindings: [{ name: "B", ...binding }] })).toEqual([400, code]);
    },
  );

  it("may name the Worker itself", async () => {
    expect(await put("hub", { bindings: [{ type: "service", name: "SELF", service: "hub" }] })).toEqual([
      200,
      undefined,
    ]);
  });

  it("keep secrets that the upload does not name", async () => {
    await api.deploy("hub", { metadata: { bindings: [{ type: "secret_text", name: "S", text: "s3cret" }] } });
    await api.deploy("hub", { metadata: { keep_bindings: ["secret_text", "secret_key"] } });
    const running = () => api.runtime.applied.at(-1)?.scripts[0]?.versions[0]?.version.bindings;
    expect(running()).toEqual([{ type: "secret_text", name: "S", text: "s3cret" }]);
    await api.deploy("hub");
    expect(running()).toEqual([]);
  });

  it("are inherited by name, and refused when there is nothing to inherit", async () => {
    await api.deploy("hub", { metadata: { bindings: [{ type: "plain_text", name: "V", text: "1" }] } });
    await api.deploy("hub", { metadata: { bindings: [{ type: "inherit", name: "V" }] } });
    expect(api.runtime.checked.at(-1)?.bindings).toEqual([{ type: "plain_text", name: "V", text: "1" }]);
    const bindings = [{ type: "inherit", name: "NONE" }];
    const answer = await api.call(
      "PUT",
      "/workers/scripts/hub?bindings_inherit=strict",
      uploadForm({ metadata: { bindings } }),
    );
    expect(answer.errors).toMatchObject([
      { code: 10057, message: expect.stringMatching(/^inherit binding 'NONE' is invalid/) },
    ]);
  });

  it("have names that are used once", async () => {
    const twice = { type: "plain_text", name: "V", text: "1" };
    expect(await put("hub", { bindings: [twice, twice] })).toEqual([400, 10021]);
  });

  it("never show the value of a secret", async () => {
    const id = await api.deploy("hub", {
      metadata: { bindings: [{ type: "secret_text", name: "S", text: "s3cret" }] },
    });
    const reads = ["settings", "versions", `versions/${id}`, "secrets", "deployments"];
    for (const path of reads) {
      const text = await (await api.raw("GET", `/workers/scripts/hub/${path}`)).text();
      expect(text).not.toContain("s3cret");
    }
    expect(await (await api.raw("GET", "/__local/state")).text()).not.toContain("s3cret");
  });
});

describe("Durable Object migrations", () => {
  const migrations = { new_tag: "v1", steps: [{ new_sqlite_classes: ["Counter"] }] };
  const bindings = [{ type: "durable_object_namespace", name: "COUNTER", class_name: "Counter" }];
  const code = "export class Counter {} export class Other {} export default {};";

  it("give a script its classes, which the data plane learns and the account lists", async () => {
    await api.deploy("hub", { code, metadata: { migrations, bindings } });
    expect(api.runtime.applied.at(-1)?.scripts[0]?.durableObjectClasses).toEqual([
      { className: "Counter", sqlite: true },
    ]);
    expect((await api.call("GET", "/workers/services/hub")).result).toMatchObject({
      default_environment: { script: { migration_tag: "v1" } },
    });
    expect(
      (await api.call("GET", "/workers/durable_objects/namespaces?per_page=1000&page=1")).result,
    ).toMatchObject([{ script: "hub", class: "Counter", use_sqlite: true }]);
  });

  it("must start from the tag where the script stands", async () => {
    await api.deploy("hub", { code, metadata: { migrations } });
    expect(await put("hub", { migrations: { old_tag: "v0", new_tag: "v2", steps: [] } })).toEqual([
      412, 10079,
    ]);
    expect(await put("hub", { migrations })).toEqual([412, 10079]);
  });

  it("are forgotten with an upload that fails", async () => {
    api.runtime.fault = { message: "no" };
    expect(await put("hub", { migrations })).toEqual([400, 10021]);
    expect(await put("hub", { migrations, bindings }, code)).toEqual([200, undefined]);
  });

  it("keep a namespace's id when its class is not touched", async () => {
    await api.deploy("hub", { code, metadata: { migrations } });
    const [before] = api.control.store.scripts.classesOf("hub");
    const next = { old_tag: "v1", new_tag: "v2", steps: [{ new_classes: ["Other"] }] };
    expect(await put("hub", { migrations: next }, code)).toEqual([200, undefined]);
    expect(api.control.store.scripts.classesOf("hub")[0]?.id).toBe(before?.id);
  });

  it("make only classes that the code exports", async () => {
    const answer = await api.call("PUT", "/workers/scripts/hub", uploadForm({ metadata: { migrations } }));
    expect([answer.status, answer.errors]).toEqual([
      400,
      [
        {
          code: 10070,
          message: "Cannot apply new-class migration to class 'Counter' that is not exported by script.",
        },
      ],
    ]);
    expect(await api.refusal("GET", "/workers/services/hub")).toEqual([404, 10090]);
  });

  it("bind every later version to export the class, until a migration deletes it", async () => {
    await api.deploy("hub", { code, metadata: { migrations } });
    expect(await put("hub", {})).toEqual([403, 10064]);
    expect(await api.refusal("POST", "/workers/scripts/hub/versions", uploadForm())).toEqual([403, 10064]);
    expect(api.control.store.versions.list("hub")).toHaveLength(1);
    const deletion = { old_tag: "v1", new_tag: "v2", steps: [{ deleted_classes: ["Counter"] }] };
    expect(await put("hub", { migrations: deletion })).toEqual([200, undefined]);
  });

  it("take a class's word where the text does not say what is exported", async () => {
    const reexport = 'export * from "./classes.js"; export default {};';
    expect(await put("hub", { migrations }, reexport)).toEqual([200, undefined]);
  });
});

describe("reading a Worker back", () => {
  beforeEach(async () => {
    await api.deploy("hub", { code: "export default 1", metadata: { observability: { enabled: true } } });
  });

  it("shows it as a service and as a script, with what it was last deployed from", async () => {
    const service = z.object({
      default_environment: z.object({ script: z.record(z.string(), z.unknown()) }),
    });
    const { default_environment } = await api.result(service, "GET", "/workers/services/hub");
    expect(default_environment.script).toMatchObject({
      tags: [],
      last_deployed_from: "api",
      has_modules: true,
    });
    expect((await api.call("GET", "/workers/scripts")).result).toMatchObject([
      { id: "hub", created_on: new Date(NOW).toISOString(), observability: { enabled: true } },
    ]);
  });

  it("takes the source from the client's name", async () => {
    const response = await api.raw("PUT", "/workers/scripts/hub", {
      body: uploadForm(),
      headers: { "user-agent": "wrangler/4.164.0" },
    });
    expect(await response.json()).toMatchObject({ result: { last_deployed_from: "wrangler" } });
  });

  it("returns its code as a form", async () => {
    const response = await api.raw("GET", "/workers/scripts/hub/content/v2");
    expect(response.headers.get("cf-entrypoint")).toBe("index.js");
    const part = (await response.formData()).get("index.js");
    expect(part instanceof File ? await part.text() : part).toBe("export default 1");
  });

  it("changes its unversioned settings without touching what runs", async () => {
    const applied = api.runtime.applied.length;
    const answer = await api.call("PATCH", "/workers/scripts/hub/script-settings", {
      tags: ["a"],
      logpush: true,
    });
    expect(answer.result).toMatchObject({ tags: ["a"], logpush: true, observability: { enabled: true } });
    expect(api.runtime.applied).toHaveLength(applied);
  });

  it("answers 10007 for a script and 10090 for a service that is not there", async () => {
    for (const path of [
      "settings",
      "versions",
      "deployments",
      "secrets",
      "schedules",
      "subdomain",
      "content/v2",
    ]) {
      expect(await api.refusal("GET", `/workers/scripts/none/${path}`)).toEqual([404, 10007]);
    }
    expect(await api.refusal("GET", "/workers/services/none")).toEqual([404, 10090]);
  });
});

describe("deleting a Worker", () => {
  it("removes it with its versions, consumers and data", async () => {
    await api.deploy("hub");
    const { queue_id } = await api.result(z.object({ queue_id: z.string() }), "POST", "/queues", {
      queue_name: "q",
    });
    await api.call("POST", `/queues/${queue_id}/consumers`, { type: "worker", script_name: "hub" });
    expect((await api.call("DELETE", "/workers/services/hub?force=true")).success).toBe(true);
    expect(api.runtime.applied.at(-1)).toMatchObject({ scripts: [], consumers: [] });
    expect(api.runtime.dropped).toEqual(["script hub"]);
    expect(await api.refusal("GET", "/workers/services/hub")).toEqual([404, 10090]);
  });

  it("is refused while another Worker binds it, unless forced", async () => {
    await api.deploy("archiver");
    await api.deploy("hub", {
      metadata: { bindings: [{ type: "service", name: "A", service: "archiver" }] },
    });
    expect((await api.call("GET", "/workers/scripts/archiver/references")).result).toMatchObject({
      services: { incoming: [{ service: "hub", name: "A" }] },
    });
    expect(await api.refusal("DELETE", "/workers/services/archiver")).toEqual([400, 10091]);
    expect((await api.call("DELETE", "/workers/scripts/archiver?force=true")).success).toBe(true);
  });
});
