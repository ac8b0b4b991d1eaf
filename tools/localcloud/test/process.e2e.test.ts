import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { readProcessFile } from "../src/index.ts";
import { temporaryDirectory, uploadForm } from "./harness.ts";

const BIN = join(import.meta.dirname, "../bin/localcloud.ts");
const CODE = `export default { async fetch(request, env) {
  if (request.method === "PUT") await env.KV.put("key", await request.text());
  return new Response(await env.KV.get("key"));
} };`;

const announced = z.object({ apiUrl: z.string(), accountId: z.string(), apiToken: z.string() });
type Announced = z.infer<typeof announced>;

let directory: ReturnType<typeof temporaryDirectory>;
const children = new Set<ChildProcess>();
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
  children.clear();
  directory[Symbol.dispose]();
});

function localcloud(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  return child;
}

/** Runs a command to its end. */
async function finish(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  const outputs = [child.stdout, child.stderr].map((stream) => (stream === null ? "" : text(stream)));
  const [[code], ...output] = await Promise.all([once(child, "exit"), ...outputs]);
  return { code: z.number().nullable().parse(code), output: output.join("") };
}

/** Starts a local cloud as a process and waits until it has announced itself. */
async function start(name: string): Promise<{ child: ChildProcess; cloud: Announced }> {
  const child = localcloud("start", "--dir", join(directory.path, name), "--json", "--quiet");
  if (child.stdout === null) {
    throw new Error("no stdout");
  }
  const [chunk] = await once(child.stdout, "data");
  return { child, cloud: announced.parse(JSON.parse(String(chunk))) };
}

async function call<T>(
  cloud: Announced,
  schema: z.ZodType<T>,
  method: string,
  path: string,
  body?: string | FormData,
): Promise<T> {
  const response = await fetch(`${cloud.apiUrl}/accounts/${cloud.accountId}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloud.apiToken}` },
    ...(body === undefined ? {} : { body }),
  });
  return z.object({ result: schema }).parse(await response.json()).result;
}

/** Deploys a Worker that keeps a value in KV; returns where it answers. */
async function deploy(cloud: Announced): Promise<string> {
  const { id } = await call(
    cloud,
    z.object({ id: z.string() }),
    "POST",
    "/storage/kv/namespaces",
    '{"title":"cache"}',
  );
  const metadata = { bindings: [{ type: "kv_namespace", name: "KV", namespace_id: id }] };
  await call(cloud, z.unknown(), "PUT", "/workers/scripts/hub", uploadForm({ code: CODE, metadata }));
  await call(cloud, z.unknown(), "POST", "/workers/scripts/hub/subdomain", '{"enabled":true}');
  return await hubUrl(cloud);
}

async function hubUrl(cloud: Announced): Promise<string> {
  const schema = z.object({ scripts: z.array(z.object({ url: z.string() })) });
  const state = schema.parse(await (await fetch(new URL("/__local/state", cloud.apiUrl))).json());
  return state.scripts[0]?.url ?? "";
}

describe("the local cloud as a process", () => {
  it("comes back after SIGKILL: same addresses, same code, same data", async () => {
    const before = await start("a");
    const hub = await deploy(before.cloud);
    expect(await (await fetch(hub, { method: "PUT", body: "kept" })).text()).toBe("kept");
    before.child.kill("SIGKILL");
    await once(before.child, "exit");

    const after = await start("a");
    expect(after.cloud).toEqual(before.cloud);
    expect(await hubUrl(after.cloud)).toBe(hub);
    expect(await (await fetch(hub)).text()).toBe("kept");
  });

  it("stops cleanly on SIGINT and on SIGTERM, and leaves nothing listening", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const { child, cloud } = await start(signal);
      const hub = await deploy(cloud);
      const ended = finish(child);
      child.kill(signal);
      expect((await ended).code).toBe(0);
      expect(readProcessFile(join(directory.path, signal))).toBeNull();
      await expect(fetch(hub)).rejects.toThrow("fetch failed");
      await expect(fetch(cloud.apiUrl)).rejects.toThrow("fetch failed");
    }
  });

  it("refuses a directory that is served, and says by whom", async () => {
    const { child } = await start("a");
    const second = await finish(localcloud("start", "--dir", join(directory.path, "a")));
    expect(second.code).toBe(1);
    expect(second.output).toContain(`process ${child.pid} serves it at http://127.0.0.1:`);
  });

  it("runs beside another one", async () => {
    const [a, b] = await Promise.all([start("a"), start("b")]);
    const [hubA, hubB] = await Promise.all([deploy(a.cloud), deploy(b.cloud)]);
    expect(hubA).not.toBe(hubB);
    await fetch(hubA, { method: "PUT", body: "a" });
    await fetch(hubB, { method: "PUT", body: "b" });
    expect(await (await fetch(hubA)).text()).toBe("a");
  });

  it("is shown by status and ended by stop", async () => {
    const { child, cloud } = await start("a");
    const where = ["--dir", join(directory.path, "a")];
    expect((await finish(localcloud("status", ...where))).output).toContain(cloud.apiUrl);
    const ended = finish(child);
    expect((await finish(localcloud("stop", ...where))).code).toBe(0);
    expect((await ended).code).toBe(0);
    const none = await finish(localcloud("stop", ...where));
    expect([none.code, none.output]).toEqual([1, expect.stringContaining("no local cloud serves")]);
  });

  it("exits 2 on a command, a flag or a port that it does not know", async () => {
    for (const args of [["frob"], ["start", "--frob"], ["start", "--port", "70000"]]) {
      expect((await finish(localcloud(...args))).code).toBe(2);
    }
  });
});
