/** The data plane: puts its parts together and takes them from one desired state to the next. */
import { mkdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { DataPlaneState, DeployedScript, ScriptVersion } from "../model.ts";
import type { QueueStats, Runtime, RuntimeOptions, StartupFault } from "./contract.ts";
import { Crons } from "./crons.ts";
import { Engine } from "./engine.ts";
import { Fronts } from "./front.ts";
import { Gate } from "./gate.ts";
import { LatestWins } from "./latest-wins.ts";
import { logLines } from "./logs.ts";
import { lexerReady } from "./module-exports.ts";
import { pickVersion } from "./picker.ts";
import { placementKey, sharesOf, splitterName } from "./placement.ts";
import { Broker, systemClock } from "./queues/broker.ts";
import { MessageStore, StoreInUseError } from "./queues/message-store.ts";
import { answerProducer } from "./queues/producer.ts";
import { checkStartup } from "./startup-check.ts";
import { removeD1, removeKv, removeObjects } from "./stored-files.ts";
import { openD1 } from "./stores/d1.ts";
import { openKv } from "./stores/kv.ts";
import { openR2 } from "./stores/r2.ts";
import type { StoreClient } from "./stores/store-client.ts";
import { SystemClient } from "./system-client.ts";
import { buildWorkers } from "./worker-options.ts";

/** The default of `RuntimeOptions.drainMs`. */
const DRAIN_MS = 10_000;
/** How long after the last answer `ctx.waitUntil` work may go on before a swap, in milliseconds. */
const GRACE_MS = 250;

const NOTHING: DataPlaneState = {
  scripts: [],
  kvNamespaceIds: [],
  d1DatabaseIds: [],
  r2BucketNames: [],
  queues: [],
  consumers: [],
};

/**
 * Opens the data plane of a directory. It runs nothing until a state is applied or a store is opened.
 * @throws {Error} when another process runs the data plane of this directory.
 */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  try {
    // Held by one process at a time, the message store is the directory's lock, too.
    return new LocalRuntime(options, new MessageStore(join(directory, "queues.sqlite")));
  } catch (error) {
    if (!(error instanceof StoreInUseError)) throw error;
    throw new Error(`another local cloud already runs in ${directory}`, { cause: error });
  }
}

class LocalRuntime implements Runtime {
  readonly #log: (line: string) => void;
  readonly #storage: string;
  readonly #drainMs: number;
  readonly #engine: Engine;
  readonly #gate = new Gate(() => performance.now());
  readonly #system: SystemClient;
  readonly #fronts: Fronts;
  readonly #broker: Broker;
  readonly #crons: Crons;
  readonly #changes = new LatestWins<DataPlaneState>((state) => this.#make(state));
  #state: DataPlaneState = NOTHING;
  /** The state that was asked for last; ahead of `#state` while a change is under way. */
  #wanted: DataPlaneState = NOTHING;
  /** What workerd runs, as `placementKey` tells it. */
  #placement: string | undefined;
  /** The scripts with a splitter in workerd. */
  #splitScripts: ReadonlySet<string> = new Set();

  constructor({ directory, host, log, drainMs = DRAIN_MS }: RuntimeOptions, store: MessageStore) {
    this.#log = log;
    this.#storage = join(directory, "storage");
    this.#drainMs = drainMs;
    this.#engine = new Engine({
      storage: this.#storage,
      pidFile: join(directory, "workerd.pid"),
      log,
      onCrash: () => this.#recover(),
    });
    this.#system = new SystemClient(this.#engine, this.#gate);
    this.#fronts = new Fronts({
      host,
      log,
      gate: this.#gate,
      random: Math.random,
      locate: (scriptName, versionId) => this.#engine.url(`${scriptName}@${versionId}`),
    });
    this.#broker = new Broker({
      store,
      log,
      clock: systemClock,
      deliver: (scriptName, queueName, messages, backlog) =>
        this.#system.deliver(() => this.#pick(scriptName).worker, queueName, messages, backlog),
    });
    this.#crons = new Crons((scriptName, cron, scheduledTime) => {
      this.#scheduled(scriptName, cron, scheduledTime).catch((error: unknown) => {
        log(`${scriptName}: cron "${cron}" did not run: ${String(error)}`);
      });
    }, log);
  }

  apply(state: DataPlaneState): Promise<void> {
    this.#wanted = state;
    return this.#changes.submit(state);
  }

  async #make(state: DataPlaneState): Promise<void> {
    await lexerReady;
    const placement = placementKey(state.scripts);
    if (placement === this.#placement) await this.#shareOut(state.scripts);
    else await this.#swap(state, placement);
    this.#state = state;
    this.#broker.configure(state.queues, state.consumers);
    this.#crons.apply(state.scripts);
    await this.#fronts.apply(state.scripts);
  }

  /** Replaces what workerd runs; when workerd refuses, everything stays as it was. */
  async #swap(state: DataPlaneState, placement: string): Promise<void> {
    const { workers, splitScripts } = buildWorkers(state.scripts, (request, response) =>
      this.#answer(request, response),
    );
    await this.#quiesce();
    try {
      await this.#engine.run(workers);
      this.#placement = placement;
      this.#splitScripts = splitScripts;
      this.#state = state;
      this.#fronts.route(state.scripts);
    } finally {
      this.#gate.open();
    }
  }

  /** Holds back new work and lets the rest come to its end. */
  async #quiesce(): Promise<void> {
    const cut = await this.#gate.drain(delay(this.#drainMs, undefined, { ref: false }));
    if (cut > 0) this.#log(`cutting off ${cut} requests that ran for more than ${this.#drainMs} ms`);
    const grace = GRACE_MS - (performance.now() - this.#gate.lastLeft);
    if (grace > 0) await delay(grace);
  }

  /** Starts workerd anew after a crash: Miniflare has done so already, but not on its leash. */
  #recover(): void {
    this.#log("workerd crashed and is started again");
    this.#placement = undefined;
    this.apply(this.#wanted).catch((error: unknown) => this.#log(`workerd does not start: ${String(error)}`));
  }

  /** Tells the splitters a changed split; the fronts and the broker read it from the state. */
  async #shareOut(scripts: readonly DeployedScript[]): Promise<void> {
    for (const script of scripts.filter(({ name }) => this.#splitScripts.has(name))) {
      const before = this.#state.scripts.find(({ name }) => name === script.name);
      const shares = sharesOf(script);
      if (before !== undefined && JSON.stringify(sharesOf(before)) === JSON.stringify(shares)) continue;
      await this.#system.setShares(splitterName(script.name), shares);
    }
  }

  checkStartup(version: ScriptVersion): Promise<StartupFault | null> {
    return checkStartup(version);
  }

  d1 = (databaseId: string) => openD1(databaseId, this.#store);
  kv = (namespaceId: string) => openKv(namespaceId, this.#store);
  r2 = (bucketName: string) => openR2(bucketName, this.#store);

  readonly #store: StoreClient = async (...request) => {
    if (!this.#engine.started) await this.apply(this.#wanted);
    return await this.#system.store(...request);
  };

  fireCron(scriptName: string, cron: string): Promise<{ outcome: string; versionId: string }> {
    return this.#scheduled(scriptName, cron, Date.now());
  }

  async #scheduled(scriptName: string, cron: string, scheduledTime: number) {
    let versionId = "";
    const pick = () => {
      const picked = this.#pick(scriptName);
      versionId = picked.versionId;
      return picked.worker;
    };
    const { outcome } = await this.#system.fire(pick, cron, scheduledTime);
    return { outcome, versionId };
  }

  /** A version of a script for an event that no client steers. */
  #pick(scriptName: string): { readonly worker: string; readonly versionId: string } {
    const script = this.#state.scripts.find(({ name }) => name === scriptName);
    if (script === undefined) throw new Error(`script "${scriptName}" does not exist`);
    const versionId = pickVersion(scriptName, sharesOf(script), { key: null, overrides: null }, Math.random);
    if (versionId === undefined) throw new Error(`script "${scriptName}" has no deployed version`);
    return { worker: `${scriptName}@${versionId}`, versionId };
  }

  async queueStats(): Promise<readonly QueueStats[]> {
    return this.#broker.stats();
  }

  dropD1(databaseId: string): Promise<void> {
    return removeD1(this.#storage, databaseId);
  }

  dropKv(namespaceId: string): Promise<void> {
    return removeKv(this.#storage, namespaceId);
  }

  /** Empties the bucket: its name may be taken again while workerd has its files open. */
  async dropR2(bucketName: string): Promise<void> {
    const bucket = this.r2(bucketName);
    for (;;) {
      const { objects } = await bucket.list({ limit: 1000 });
      if (objects.length === 0) return;
      for (const { key } of objects) await bucket.delete(key);
    }
  }

  async dropQueue(queueId: string): Promise<void> {
    this.#broker.drop(queueId);
  }

  dropScript(scriptName: string): Promise<void> {
    return removeObjects(this.#storage, scriptName);
  }

  async stop(): Promise<void> {
    this.#crons.stop();
    this.#broker.pause();
    await this.#changes.idle();
    await this.#quiesce();
    await this.#engine.dispose();
    this.#gate.open();
    await this.#broker.close();
    await this.#fronts.close();
  }

  /** Answers the system worker: what queue bindings send, and what workers log. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, area, encoded = "", rest = ""] = (request.url ?? "/").split("/");
    const name = decodeURIComponent(encoded);
    if (area === "queue") {
      await answerProducer(this.#broker, name, rest, request, response, Date.now);
      return;
    }
    for (const line of logLines(name, JSON.parse(await text(request)))) this.#log(line);
    response.end();
  }
}
