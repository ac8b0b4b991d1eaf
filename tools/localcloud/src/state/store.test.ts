import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeRuntime } from "../../test/fake-runtime.ts";
import { temporaryDirectory, TestApi } from "../../test/harness.ts";
import { startLocalCloud } from "../index.ts";
import { DirectoryInUseError } from "./database.ts";
import { readProcessFile, writeProcessFile } from "./process-file.ts";
import { Store } from "./store.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

describe("the state file", () => {
  it("holds what was stored when it is opened again", () => {
    const before = new Store(directory.path);
    before.kv.put({ id: "a", title: "cache" });
    before.r2.put({
      name: "b",
      createdAt: 1,
      location: null,
      storageClass: "Standard",
      lifecycle: [{ id: "r" }],
    });
    before.setMeta("k", "v");
    before.close();
    const after = new Store(directory.path);
    expect(after.kv.get("a")).toEqual({ id: "a", title: "cache" });
    expect(after.r2.get("b")?.lifecycle).toEqual([{ id: "r" }]);
    expect(after.getMeta("k")).toBe("v");
    after.close();
  });

  it("is one server's at a time", () => {
    const first = new Store(directory.path);
    expect(() => new Store(directory.path)).toThrow(DirectoryInUseError);
    first.close();
    new Store(directory.path).close();
  });

  it("forgets bundles that no version needs", async () => {
    const api = new TestApi();
    await api.deploy("hub", { code: "export default 1" });
    await api.deploy("archiver", { code: "export default 1" });
    const etag = api.control.store.versions.latest("hub")?.etag ?? "";
    await api.call("DELETE", "/workers/services/hub?force=true");
    expect(api.control.store.versions.modules(etag)).toHaveLength(1);
    await api.call("DELETE", "/workers/services/archiver?force=true");
    expect(api.control.store.versions.modules(etag)).toEqual([]);
    api.close();
  });
});

describe("the note of who serves a directory", () => {
  it("is read while that process lives", () => {
    writeProcessFile(directory.path, { pid: process.pid, apiUrl: "http://127.0.0.1:1/client/v4" });
    expect(readProcessFile(directory.path)?.pid).toBe(process.pid);
  });

  it("counts as none when its process is gone, or when it cannot be read", () => {
    expect(readProcessFile(directory.path)).toBeNull();
    const beyondAnyPid = 2 ** 30;
    writeProcessFile(directory.path, { pid: beyondAnyPid, apiUrl: "http://127.0.0.1:1/client/v4" });
    expect(readProcessFile(directory.path)).toBeNull();
  });
});

describe("a local cloud", () => {
  const start = () => startLocalCloud({ directory: directory.path, createRuntime: () => new FakeRuntime() });

  it("comes back on the same port, and tells its clients where it is", async () => {
    const first = await start();
    expect(readProcessFile(directory.path)?.apiUrl).toBe(first.apiUrl);
    expect(first.environment).toMatchObject({
      CLOUDFLARE_API_BASE_URL: first.apiUrl,
      CLOUDFLARE_BASE_URL: first.apiUrl,
      CLOUDFLARE_API_TOKEN: expect.stringMatching(/^.{40}$/),
      CLOUDFLARE_ACCOUNT_ID: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    await first.stop();
    expect(readProcessFile(directory.path)).toBeNull();
    const second = await start();
    expect(second.apiUrl).toBe(first.apiUrl);
    await second.stop();
  });

  it("refuses a directory that is served, and stops what it had begun", async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(DirectoryInUseError);
    await first.stop();
    await first.stop();
  });

  it("knows no address of a script that is not there", async () => {
    const cloud = await start();
    expect(() => cloud.scriptUrl("none")).toThrow(/none/);
    await cloud.stop();
  });

  it("lets go of the directory when it cannot start", async () => {
    const broken = new FakeRuntime();
    broken.applyError = new Error("workerd does not start");
    const options = { directory: directory.path, createRuntime: () => broken };
    await expect(startLocalCloud(options)).rejects.toThrow("workerd does not start");
    await (await start()).stop();
  });
});
