/**
 * A Cloudflare in memory for tests of the release steps: scripts with versions
 * and deployments, wrangler's effect on them, and a hub whose admin API answers
 * as `worker/src/rollout/contract.ts` says.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { topology } from "../../../infra/topology.ts";
import { PHASE_SHARES, type RolloutPhase, type RolloutState } from "../../../worker/src/rollout/contract.ts";
import type { Clock } from "../clock.ts";
import type { CloudflareApi, Deployment, QueueConsumer, ScriptVersion } from "../cloudflare-api.ts";
import { D1QueryError } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import type { ReleaseEvent } from "../release-events.ts";
import { placeholderIds, writeConfigs } from "../render.ts";
import type { Upload, Wrangler } from "../wrangler.ts";
import { temporaryDirectory } from "./temporary.ts";

interface Script {
  readonly versions: ScriptVersion[];
  /** Newest first. */
  readonly deployments: Deployment[];
  readonly secrets: Set<string>;
  migrationTag: string | null;
}

const NO_LANE = { read: { requests: 0, errors: 0 }, write: { requests: 0, errors: 0 } };

const IDLE: RolloutState = {
  id: null,
  status: "idle",
  phase: 0,
  shares: PHASE_SHARES[0],
  release: null,
  gate: { maxErrorShare: 0.02, minSample: 50 },
  counts: { stable: NO_LANE, canary: NO_LANE },
  startedAt: null,
  phaseStartedAt: null,
  updatedAt: null,
  firstErrorAt: null,
  endedAt: null,
  reason: null,
  transitions: [],
};

/** Time that passes only when someone sleeps. */
export class FakeClock implements Clock {
  #now = Date.parse("2026-11-22T00:00:00Z");

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#now += ms;
    return Promise.resolve();
  }
}

/** A fault to plant: thrown before the call has any effect, or after it. */
export interface Fault {
  readonly call: string;
  readonly when: "before" | "after";
  readonly error: () => Error;
}

export class FakeCloud {
  readonly topology = topology("local");
  readonly clock = new FakeClock();
  readonly events: ReleaseEvent[] = [];
  /** Calls that change something, in their order. */
  readonly calls: string[] = [];
  readonly scripts = new Map<string, Script>();
  readonly stop = new AbortController();
  rollout: RolloutState = IDLE;
  /** Requests that each look at an active rollout adds to the canary lane, and how many of them fail. */
  traffic = { requests: 60, errors: 0 };
  /** Versions that answer their health check with a dead binding. */
  readonly sick = new Set<string>();
  readonly faults: Fault[] = [];
  /** What `--main` files hold: the bundle is their text. */
  source = "export default {}";
  consumers: QueueConsumer[] | null = null;
  #serial = 0;

  /** A context on this cloud, with files in a new temporary directory. */
  async context(overrides: Partial<ReleaseContext> = {}): Promise<ReleaseContext> {
    const root = await temporaryDirectory();
    const ids = placeholderIds();
    return {
      root,
      environment: "local",
      topology: this.topology,
      ids,
      api: this.#api(),
      wrangler: this.#wrangler(),
      configs: await writeConfigs(root, "local", this.topology, ids),
      directory: path.join(root, ".strata", "local"),
      url: async (worker) => `http://${worker}.test`,
      secrets: { ADMIN_TOKEN: "admin", BOOTSTRAP_API_KEY: "key" },
      onEvent: (event) => this.events.push(event),
      signal: this.stop.signal,
      clock: this.clock,
      fetch: async (input, init) => this.#answer(String(input), init),
      ...overrides,
    };
  }

  /** The version that serves a script; `null` before its first release. */
  serving(worker: keyof typeof this.topology.workers): ScriptVersion | null {
    const script = this.#script(this.topology.workers[worker].name);
    const id = script.deployments[0]?.versions[0]?.versionId;
    return script.versions.find((version) => version.id === id) ?? null;
  }

  /** Deploys behind the release's back. */
  deployBy(
    worker: keyof typeof this.topology.workers,
    versions: Deployment["versions"],
    message: string | null,
  ): void {
    this.#script(this.topology.workers[worker].name).deployments.unshift({
      id: this.#uuid(),
      createdOn: new Date(this.clock.now()).toISOString(),
      message,
      versions,
    });
  }

  #script(name: string): Script {
    let script = this.scripts.get(name);
    if (script === undefined) {
      script = { versions: [], deployments: [], secrets: new Set(), migrationTag: null };
      this.scripts.set(name, script);
    }
    return script;
  }

  #uuid(): string {
    this.#serial += 1;
    return `00000000-0000-4000-8000-${String(this.#serial).padStart(12, "0")}`;
  }

  /** Runs a call with its planted fault, if it has one; a fault strikes once. */
  #call<T>(call: string, work: () => T): T {
    const index = this.faults.findIndex((fault) => fault.call === call);
    const fault = index === -1 ? undefined : this.faults.splice(index, 1)[0];
    if (fault?.when === "before") throw fault.error();
    this.calls.push(call);
    const result = work();
    if (fault?.when === "after") throw fault.error();
    return result;
  }

  #api(): CloudflareApi {
    return {
      deployments: async (name) => [...this.#script(name).deployments],
      versions: async (name) => this.#script(name).versions.toReversed(),
      migrationTag: async (name) => this.#script(name).migrationTag,
      secretNames: async (name) => [...this.#script(name).secrets],
      workersSubdomain: async () => null,
      queueConsumers: async (queue) => this.consumers ?? this.#wantedConsumers(queue),
      queryD1: async () => {
        throw new D1QueryError("no such table: d1_migrations");
      },
    };
  }

  #wantedConsumers(queue: string): QueueConsumer[] {
    const { queues, workers } = this.topology;
    return workers.archiver.consumers
      .filter((wanted) => queues[wanted.queue].name === queue)
      .map((wanted) => ({
        scriptName: workers.archiver.name,
        deadLetterQueue: wanted.deadLetter === null ? null : queues[wanted.deadLetter].name,
        batchSize: wanted.maxBatchSize,
        maxWaitMs: wanted.maxBatchTimeoutSeconds * 1000,
        maxRetries: wanted.maxRetries,
      }));
  }

  #nameOf(config: string): string {
    const worker = path.basename(config, ".json");
    if (worker !== "hub" && worker !== "hub-canary" && worker !== "archiver") throw new Error(worker);
    return this.topology.workers[worker].name;
  }

  #upload({ config, tag, message, secrets }: Upload): string {
    const script = this.#script(this.#nameOf(config));
    for (const name of Object.keys(secrets)) script.secrets.add(name);
    const id = this.#uuid();
    const createdOn = new Date(this.clock.now()).toISOString();
    script.versions.push({ id, number: script.versions.length + 1, createdOn, tag, message });
    return id;
  }

  #deploy(config: string, versionId: string, message: string): void {
    const script = this.#script(this.#nameOf(config));
    const createdOn = new Date(this.clock.now()).toISOString();
    script.deployments.unshift({
      id: this.#uuid(),
      createdOn,
      message,
      versions: [{ versionId, percentage: 100 }],
    });
  }

  #wrangler(): Wrangler {
    const key = (config: string): string => path.basename(config, ".json");
    return {
      build: async (_config, main, outdir) => {
        await mkdir(outdir, { recursive: true });
        await writeFile(path.join(outdir, `${path.parse(main).name}.js`), this.source);
      },
      uploadVersion: async (upload) => this.#call(`upload ${key(upload.config)}`, () => this.#upload(upload)),
      deploy: async (upload) =>
        this.#call(`full-deploy ${key(upload.config)}`, () => {
          const id = this.#upload(upload);
          this.#deploy(upload.config, id, upload.message);
          const worker = Object.values(this.topology.workers).find(
            ({ name }) => name === this.#nameOf(upload.config),
          );
          this.#script(this.#nameOf(upload.config)).migrationTag =
            worker?.durableObjectMigrations.at(-1)?.tag ?? null;
          return id;
        }),
      deployVersion: async (config, versionId, message) =>
        this.#call(`deploy ${key(config)}`, () => this.#deploy(config, versionId, message)),
      deployTriggers: async (config) => this.#call(`triggers ${key(config)}`, () => {}),
      applyMigrations: async () => {
        throw new CliError(EXIT.failed, "the fake has no migrations");
      },
    };
  }

  #set(change: Partial<RolloutState>): RolloutState {
    this.rollout = { ...this.rollout, ...change };
    return this.rollout;
  }

  /** What the hub's own judge would do with the traffic of the moment. */
  #judge(): void {
    if (this.rollout.status !== "active" || this.rollout.phase === 0) return;
    const { requests, errors } = this.rollout.counts.canary.read;
    const seen = { requests: requests + this.traffic.requests, errors: errors + this.traffic.errors };
    this.#set({ counts: { stable: NO_LANE, canary: { read: seen, write: NO_LANE.write } } });
    if (
      seen.requests >= this.rollout.gate.minSample &&
      seen.errors / seen.requests > this.rollout.gate.maxErrorShare
    ) {
      this.#set({
        status: "rolled-back",
        shares: PHASE_SHARES[0],
        reason: `gate: ${seen.errors} of ${seen.requests}`,
      });
    }
  }

  #answer(url: string, init: RequestInit | undefined): Response {
    const { hostname, pathname } = new URL(url);
    const headers = new Headers(init?.headers);
    if (pathname === "/health") return this.#health(hostname, headers.get("strata-lane"));
    if (headers.get("authorization") !== "Bearer admin") {
      return Response.json({ title: "no" }, { status: 401 });
    }
    if (init?.method === "GET") {
      this.#judge();
      return Response.json(this.rollout);
    }
    const body: unknown = JSON.parse(typeof init?.body === "string" ? init.body : "{}");
    return this.#command(pathname, body);
  }

  #health(hostname: string, lane: string | null): Response {
    const worker = hostname === "archiver.test" ? "archiver" : lane === "canary" ? "hub-canary" : "hub";
    const version = this.serving(worker);
    if (version === null) return Response.json({ title: "no such worker" }, { status: 404 });
    const sick = this.sick.has(version.id);
    return Response.json({
      status: sick ? "degraded" : "ok",
      version: { id: version.id, tag: version.tag },
      lane: lane ?? "stable",
      bindings: { DB: sick ? "unreachable" : "ok", ARCHIVER: "ok" },
    });
  }

  #command(pathname: string, body: unknown): Response {
    const conflict = (title: string): Response =>
      Response.json({ type: "/conflict", title }, { status: 409 });
    const fields = typeof body === "object" && body !== null ? body : {};
    const [, command = ""] = /([a-z]+)$/.exec(pathname) ?? [];
    return this.#call(command, () => {
      const { status, phase } = this.rollout;
      if (command === "start") {
        if (status === "active") return conflict("one is active");
        const release = "release" in fields ? (fields.release as RolloutState["release"]) : null;
        const id = this.#uuid();
        return Response.json(this.#set({ ...IDLE, id, status: "active", release }), { status: 201 });
      }
      if (command === "rollback") {
        if (status === "rolled-back") return Response.json(this.rollout);
        if (status !== "active") return conflict("not active");
        const reason = "reason" in fields ? String(fields.reason) : "";
        return Response.json(this.#set({ status: "rolled-back", shares: PHASE_SHARES[0], reason }));
      }
      if (command === "promote") {
        if (status === "promoted") return Response.json(this.rollout);
        if (status !== "active" || phase !== 3) return conflict("not active in phase 3");
        return Response.json(this.#set({ status: "promoted", shares: PHASE_SHARES[0] }));
      }
      if (status !== "active") return conflict("not active");
      const next = ("phase" in fields ? fields.phase : 0) as RolloutPhase;
      const counts = { stable: NO_LANE, canary: NO_LANE };
      return Response.json(this.#set({ phase: next, shares: PHASE_SHARES[next], counts }));
    });
  }
}
