/** What tests deploy: tiny scripts, and a runtime in a directory of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  DataPlaneState,
  DeployedScript,
  DurableObjectClass,
  ScriptBinding,
  ScriptVersion,
} from "../model.ts";
import type { Runtime, RuntimeOptions } from "./contract.ts";
import { createRuntime } from "./index.ts";

let created = 0;

/** A version of a script with one module. */
export function version(
  scriptName: string,
  source: string,
  overrides: Partial<ScriptVersion> = {},
): ScriptVersion {
  created += 1;
  return {
    id: crypto.randomUUID(),
    scriptName,
    number: created,
    createdAt: Date.UTC(2026, 0, 1),
    tag: null,
    message: null,
    mainModule: "index.js",
    modules: [{ name: "index.js", type: "esm", contents: new TextEncoder().encode(source) }],
    compatibilityDate: "2026-01-01",
    compatibilityFlags: [],
    bindings: [],
    ...overrides,
  };
}

/** A version that answers every request with `answer`. */
export function answering(scriptName: string, answer: string): ScriptVersion {
  return version(scriptName, `export default { fetch: () => new Response(${JSON.stringify(answer)}) };`);
}

/** A version with bindings; `source` is the whole module. */
export function bound(scriptName: string, bindings: readonly ScriptBinding[], source: string): ScriptVersion {
  return version(scriptName, source, { bindings });
}

const ports = new Map<string, number>();

/** A script that runs one version, or several by percentage, on a port that is its own for the whole test file. */
export async function script(
  name: string,
  versions: ScriptVersion | readonly (readonly [ScriptVersion, number])[],
  overrides: Partial<DeployedScript> = {},
): Promise<DeployedScript> {
  const port = ports.get(name) ?? (await freePort());
  ports.set(name, port);
  const shares = "id" in versions ? ([[versions, 100]] as const) : versions;
  return {
    name,
    port,
    versions: shares.map(([shared, percentage]) => ({ version: shared, percentage })),
    durableObjectClasses: [],
    crons: [],
    public: true,
    ...overrides,
  };
}

export function state(
  scripts: readonly DeployedScript[],
  overrides: Partial<DataPlaneState> = {},
): DataPlaneState {
  return {
    scripts,
    kvNamespaceIds: [],
    d1DatabaseIds: [],
    r2BucketNames: [],
    queues: [],
    consumers: [],
    ...overrides,
  };
}

export function objectClass(className: string, sqlite = true): DurableObjectClass {
  return { className, sqlite };
}

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}

export interface TestRuntime extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly directory: string;
  readonly lines: string[];
}

/** A runtime in a new directory, which goes when it is disposed of. */
export async function testRuntime(options: Partial<RuntimeOptions> = {}): Promise<TestRuntime> {
  const directory = await mkdtemp(join(tmpdir(), "localcloud-test-"));
  const lines: string[] = [];
  const runtime = await createRuntime({
    directory,
    host: "127.0.0.1",
    log: (line) => lines.push(line),
    ...options,
  });
  return {
    runtime,
    directory,
    lines,
    async [Symbol.asyncDispose]() {
      await runtime.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Requests a path of a script. */
export function visit(target: DeployedScript, path = "/", init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${target.port}${path}`, init);
}

/** Requests a path of a script and reads the text. */
export async function read(target: DeployedScript, path = "/", init: RequestInit = {}): Promise<string> {
  const response = await visit(target, path, init);
  return await response.text();
}
