/**
 * A Cloudflare in memory for tests of the release steps: scripts with versions and
 * deployments, wrangler's effect on them, and a hub that runs the real state machine.
 * After every effect it holds itself against what must never be; see `violations`.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { topology, WORKER_KEYS, type D1Key, type WorkerKey } from "../../../infra/topology.ts";
import type { RolloutWorker } from "../../../worker/src/rollout/contract.ts";
import type { CloudflareApi, QueueConsumer } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";
import { FakeDatabases } from "../migrations/test/fake-databases.ts";
import type { ReleaseEvent } from "../release/events.ts";
import { placeholderIds, writeConfigs } from "../render.ts";
import type { Upload, Wrangler } from "../wrangler.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRollout } from "./fake-rollout.ts";
import { FakeRun, type Interfere } from "./fake-run.ts";
import { FakeScripts, type FakeVersion, type NewVersion } from "./fake-scripts.ts";
import { FakeWorkers, type Ailment } from "./fake-workers.ts";
import { violations } from "./never.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Calls that only read: they are no news in `calls`. */
const READS = /^(GET |state$|health |ask )/;

/** The source of a version, which says how it is broken. */
export function source(name: string, ...ailments: readonly `${Ailment}@${WorkerKey}`[]): string {
  return [`export default "${name}";`, ...ailments.map((ailment) => `// ${ailment};`)].join("\n");
}

export interface FakeContextOptions extends Partial<ReleaseContext> {
  /** What befalls the run's calls. */
  readonly interfere?: Interfere;
}

type Home = Pick<ReleaseContext, "root" | "configs">;

export class FakeCloud {
  readonly topology = topology("local");
  readonly clock: FakeClock;
  readonly rollouts: FakeRollout;
  readonly scripts: FakeScripts;
  readonly databases = new FakeDatabases();
  readonly events: ReleaseEvent[] = [];
  /** Calls that change something, in their order. */
  readonly calls: string[] = [];
  /** What was seen that must never be. */
  readonly violations: string[] = [];
  /** The working tree: what is built of each Worker. */
  readonly sources: Record<RolloutWorker, string> = {
    archiver: source("archiver 1"),
    hub: source("hub 1"),
  };
  /** Sentences about bindings whose targets are gone. */
  readonly goneBindings: string[] = [];
  /** Versions that the platform does not deploy any more. */
  readonly undeployable = new Set<string>();
  /** Of the account; `null`: those of the topology. */
  consumers: QueueConsumer[] | null = null;
  readonly #workers: FakeWorkers;
  #home: Promise<Home> | null = null;

  constructor(clock = new FakeClock(), scripts?: FakeScripts) {
    this.clock = clock;
    this.rollouts = new FakeRollout(clock);
    this.scripts = scripts ?? new FakeScripts(this.topology, clock);
    this.#workers = new FakeWorkers(this.scripts, this.rollouts);
    this.rollouts.onChange = (after, before) => {
      this.violations.push(...violations(this.scripts, after, before));
    };
  }

  /** The same cloud, with a life of its own; it shares the directory, whose files are named by their content. */
  fork(): FakeCloud {
    const clock = new FakeClock(this.clock.now());
    const fork = new FakeCloud(clock, this.scripts.fork(clock));
    fork.rollouts.state = this.rollouts.state;
    Object.assign(fork.sources, this.sources);
    fork.#home = this.#home;
    return fork;
  }

  /** The files of a checkout: nothing but the rendered configs. */
  async #files(): Promise<Home> {
    const root = await temporaryDirectory();
    return { root, configs: await writeConfigs(root, "local", this.topology, placeholderIds()) };
  }

  /** Puts a migration into the working tree. */
  async migration(database: D1Key, name: string, sql: string): Promise<void> {
    this.#home ??= this.#files();
    const folder = path.join((await this.#home).root, this.topology.d1[database].migrations);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, name), sql);
  }

  /** A new run's context on this cloud. */
  async context({ interfere = () => null, ...overrides }: FakeContextOptions = {}): Promise<
    ReleaseContext & { readonly run: FakeRun }
  > {
    const run = new FakeRun(interfere);
    this.#home ??= this.#files();
    const { root, configs } = await this.#home;
    const ids = placeholderIds();
    return {
      run,
      root,
      environment: "local",
      topology: this.topology,
      ids,
      account: { apiUrl: "http://api.test", accountId: ids.accountId, apiToken: "token" },
      api: this.#api(run),
      wrangler: this.#wrangler(run),
      configs,
      directory: path.join(root, ".strata", "local"),
      url: async (worker) => `http://${worker}.test`,
      secrets: { ADMIN_TOKEN: "admin", BOOTSTRAP_API_KEY: "key" },
      onEvent: (event) => {
        run.assertAlive();
        this.events.push(event);
      },
      signal: run.stop.signal,
      clock: run.clock(this.clock),
      fetch: (input, init) =>
        this.#call(run, "hub", FakeWorkers.nameOf(String(input), init), () =>
          this.#workers.answer(String(input), init),
        ),
      ...overrides,
    };
  }

  serving(worker: WorkerKey): FakeVersion | null {
    return this.scripts.serving(worker);
  }

  /** Content tags of what the scripts serve. */
  get tags(): Readonly<Record<WorkerKey, string | null>> {
    const tag = (worker: WorkerKey): string | null => this.serving(worker)?.tag ?? null;
    return {
      "archiver-canary": tag("archiver-canary"),
      archiver: tag("archiver"),
      "hub-canary": tag("hub-canary"),
      hub: tag("hub"),
    };
  }

  async #call<T>(
    run: FakeRun,
    part: "api" | "wrangler" | "hub",
    call: string,
    work: () => T | Promise<T>,
  ): Promise<T> {
    return run.call(part, call, async () => {
      const result = await work();
      if (!READS.test(call)) this.calls.push(call);
      const { state } = this.rollouts;
      this.violations.push(...violations(this.scripts, state, state));
      return result;
    });
  }

  #api(run: FakeRun): CloudflareApi {
    const ask = <T>(what: string, work: () => T | Promise<T>): Promise<T> =>
      this.#call(run, "api", `GET ${what}`, work);
    const { scripts, databases } = this;
    return {
      deployments: (name) => ask(`deployments ${name}`, () => [...scripts.named(name).deployments]),
      versions: (name) =>
        ask(`versions ${name}`, () =>
          scripts
            .named(name)
            .versions.filter(({ id }) => !this.undeployable.has(id))
            .toReversed(),
        ),
      versionDetail: (name, versionId) =>
        ask(`version ${name}`, () => {
          const version = scripts.named(name).versions.find(({ id }) => id === versionId);
          return version === undefined ? null : { migrationTag: version.migrationTag, bindings: [] };
        }),
      missingBindings: () => ask("bindings", () => this.goneBindings),
      migrationTag: (name) => ask(`service ${name}`, () => scripts.named(name).migrationTag),
      secretNames: (name) => ask(`secrets ${name}`, () => [...scripts.named(name).secrets]),
      workersSubdomain: () => ask("subdomain", () => null),
      queueConsumers: (queue) => ask("consumers", () => this.consumers ?? this.#wantedConsumers(queue)),
      queryD1: (id, sql) => ask("query", () => databases.api.queryD1(id, sql)),
      timeTravelBookmark: (id) => ask("bookmark", () => databases.api.timeTravelBookmark(id)),
      restoreBookmark: (id, bookmark) =>
        this.#call(run, "api", "restore", () => databases.api.restoreBookmark(id, bookmark)),
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

  #wrangler(run: FakeRun): Wrangler {
    const { scripts, databases } = this;
    const change = <T>(call: string, work: () => T | Promise<T>): Promise<T> =>
      this.#call(run, "wrangler", call, work);
    return {
      build: async (config, main, outdir) => {
        run.assertAlive();
        const worker = workerOf(config);
        await mkdir(outdir, { recursive: true });
        const text = this.sources[worker === "hub" || worker === "hub-canary" ? "hub" : "archiver"];
        await writeFile(path.join(outdir, `${path.parse(main).name}.js`), text);
      },
      uploadVersion: (upload) =>
        change(`upload ${workerOf(upload.config)}`, async () =>
          scripts.upload(workerOf(upload.config), await versionOf(upload)),
        ),
      deploy: (upload) =>
        change(`full-deploy ${workerOf(upload.config)}`, async () =>
          scripts.fullDeploy(workerOf(upload.config), await versionOf(upload)),
        ),
      deployVersion: (config, versionId, message) =>
        change(`deploy ${workerOf(config)}`, () =>
          scripts.deploy(workerOf(config), [{ versionId, percentage: 100 }], message),
        ),
      deployTriggers: (config) =>
        change(`triggers ${workerOf(config)}`, () => {
          this.consumers = null;
        }),
      applyMigrations: (config, database) =>
        change(`migrate ${database}`, () => databases.wrangler.applyMigrations(config, database)),
    };
  }
}

function workerOf(config: string): WorkerKey {
  const name = path.basename(config, ".json");
  const worker = WORKER_KEYS.find((key) => key === name);
  if (worker === undefined) throw new Error(`no Worker has the config ${config}`);
  return worker;
}

async function versionOf({ entry, tag, message, secrets }: Upload): Promise<NewVersion> {
  return { source: await readFile(entry, "utf8"), tag, message, secrets };
}
