import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestApi } from "../../test/harness.ts";

const ROUTE = "/workers/scripts/hub";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.deploy("hub", { metadata: { bindings: [{ type: "plain_text", name: "V", text: "1" }] } });
});
afterEach(() => api.close());

const running = () => api.runtime.applied.at(-1)?.scripts[0]?.versions[0]?.version;
const put = (name: string, text: string) =>
  api.refusal("PUT", `${ROUTE}/secrets`, { name, text, type: "secret_text" });

describe("secrets", () => {
  it("are set in a new version that is deployed at once", async () => {
    await put("S", "one");
    expect(running()).toMatchObject({
      number: 2,
      bindings: [
        { type: "plain_text", name: "V", text: "1" },
        { type: "secret_text", name: "S", text: "one" },
      ],
    });
    expect((await api.call("GET", `${ROUTE}/secrets`)).result).toEqual([{ name: "S", type: "secret_text" }]);
    expect((await api.call("GET", `${ROUTE}/deployments`)).result).toMatchObject({
      deployments: [{ annotations: { "workers/triggered_by": "secret" } }, {}],
    });
  });

  it("are set and removed together, in one version", async () => {
    await put("OLD", "x");
    const secrets = {
      A: { name: "A", text: "a", type: "secret_text" },
      B: { name: "B", text: "b", type: "secret_text" },
      OLD: null,
    };
    expect((await api.call("PATCH", `${ROUTE}/secrets-bulk`, { secrets })).result).toMatchObject([
      { name: "A" },
      { name: "B" },
    ]);
    expect(running()?.number).toBe(3);
  });

  it("are deleted, and a missing one is a 404", async () => {
    await put("S", "one");
    expect((await api.call("DELETE", `${ROUTE}/secrets/S?url_encoded=true`)).success).toBe(true);
    expect((await api.call("GET", `${ROUTE}/secrets`)).result).toEqual([]);
    expect(await api.refusal("DELETE", `${ROUTE}/secrets/S`)).toEqual([404, 10056]);
  });

  it("are refused while the latest version is not deployed, or only a part of the traffic", async () => {
    const v2 = await api.uploadVersion("hub");
    expect(await put("S", "one")).toEqual([400, 10215]);
    expect(await api.refusal("DELETE", `${ROUTE}/secrets/S`)).toEqual([400, 10215]);
    expect(await api.refusal("PATCH", `${ROUTE}/secrets-bulk`, { secrets: { S: null } })).toEqual([
      400, 10215,
    ]);
    const v1 = api.control.store.versions.list("hub").at(-1)?.id ?? "";
    await api.split("hub", { [v1]: 50, [v2]: 50 });
    expect(await put("S", "one")).toEqual([400, 10215]);
    await api.split("hub", { [v2]: 50, [v1]: 50 });
    expect(await put("S", "one")).toEqual([400, 10215]);
    await api.split("hub", { [v2]: 100 });
    expect(await put("S", "one")).toEqual([200, undefined]);
  });

  it("need a version to be set in", async () => {
    await api.call("POST", "/workers/workers", { name: "shell" });
    const secret = { name: "S", text: "x", type: "secret_text" };
    expect(await api.refusal("PUT", "/workers/scripts/shell/secrets", secret)).toEqual([404, 10222]);
    expect(await api.refusal("PUT", "/workers/scripts/none/secrets", secret)).toEqual([404, 10007]);
  });

  it("of other kinds are not implemented", async () => {
    const key = { name: "K", text: "x", type: "secret_key" };
    expect(await api.refusal("PUT", `${ROUTE}/secrets`, key)).toEqual([501, 501]);
  });

  it("may be set in a new version that waits to be deployed", async () => {
    const answer = await api.call("PATCH", "/workers/workers/hub/versions/latest", {
      env: { S: { type: "secret_text", text: "one" } },
      annotations: { "workers/message": "Bulk updated 1 secrets" },
    });
    expect(answer.result).toMatchObject({
      number: 2,
      annotations: { "workers/message": "Bulk updated 1 secrets" },
    });
    expect(running()?.number).toBe(1);
  });
});
