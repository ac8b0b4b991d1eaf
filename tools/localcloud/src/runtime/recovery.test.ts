import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRuntime } from "./index.ts";
import { isWorkerd } from "./leash.ts";
import { queueingState } from "./test-killed-process.ts";
import { answering, bound, freePort, read, script, state, testRuntime } from "./test-scripts.ts";

const CHILD = fileURLToPath(new URL("test-killed-process.ts", import.meta.url));

let directory: string;
let port: number;
let child: ChildProcess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "localcloud-recovery-"));
  port = await freePort();
});
afterEach(async () => {
  child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

async function startChild(): Promise<void> {
  child = spawn(process.execPath, [CHILD, directory, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout ?? child, "data");
}

async function killChild(): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

const workerdPid = async () => Number(await readFile(join(directory, "workerd.pid"), "utf8"));

describe("after a SIGKILL", () => {
  it("nothing that was queued is lost, and the next process takes over at once", async () => {
    await startChild();
    const numbers = Array.from({ length: 90 }, (_, i) => i);
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      body: JSON.stringify(numbers),
    });
    expect(await response.text()).toBe("queued");
    const orphan = await workerdPid();
    await killChild();

    const runtime = await createRuntime({ directory, host: "127.0.0.1", log: () => undefined });
    try {
      await runtime.apply(queueingState(port, false));
      expect(await isWorkerd(orphan)).toBe(false);
      const backlog = async () => (await runtime.queueStats()).map((queue) => queue.backlog);
      await expect.poll(backlog, { timeout: 20_000 }).toEqual([0]);
      const [stored] = await runtime.d1("numbers-db").query("SELECT n FROM stored ORDER BY n", []);
      expect(stored?.rows.flat()).toEqual(numbers);
    } finally {
      await runtime.stop();
    }
  });

  it("no workerd stays behind", async () => {
    await startChild();
    const orphan = await workerdPid();
    expect(await isWorkerd(orphan)).toBe(true);
    await killChild();
    await expect.poll(() => isWorkerd(orphan), { timeout: 10_000 }).toBe(false);
  });
});

describe("a directory", () => {
  it("is run by one process at a time", async () => {
    await startChild();
    await expect(createRuntime({ directory, host: "127.0.0.1", log: () => undefined })).rejects.toThrow(
      `another local cloud already runs in ${directory}`,
    );
  });
});

describe("two runtimes", () => {
  it("run side by side in one process, each with stores of its own", async () => {
    const source = `export default { async fetch(request, env) {
      const { pathname } = new URL(request.url);
      if (pathname !== "/") await env.KV.put("key", pathname);
      return new Response(await env.KV.get("key"));
    } };`;
    const keeping = bound("kept", [{ type: "kv_namespace", name: "KV", namespace_id: "k" }], source);
    await using one = await testRuntime();
    await using two = await testRuntime();
    const here = await script("kept", keeping);
    const there = { ...here, port: (await script("there", [])).port };
    await Promise.all([one.runtime.apply(state([here])), two.runtime.apply(state([there]))]);
    await read(here, "/one");
    await read(there, "/two");
    await one.runtime.apply(state([here, await script("more", answering("more", "more"))]));
    expect([await read(here), await read(there)]).toEqual(["/one", "/two"]);
  });
});
