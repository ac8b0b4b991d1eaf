/** The data plane: puts its parts together and takes them from one desired state to the next. */
import { mkdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { DataPlaneState, DeployedScript, QueueRecord, ScriptVersion } from "../model.ts";
import type { QueueStats, Runtime, RuntimeOptions, StartupFault, Trace } from "./contract.ts";
import { Crons } from "./crons.ts";
import { Snapshots } from "./d1-snapshots.ts";
import { Engine } from "./engine.ts";
import { Fronts } from "./front.ts";
import { Gate } from "./gate.ts";
import { LatestWins } from "./latest-wins.ts";
import { logLines } from "./logs.ts";
import { lexerReady } from "./module-exports.ts";
import { pickVersion } from "./picker.ts";
import { placementKey, sharesOf, splitterName } from "./placement.ts";
import { Broker, systemClock } from "./queues/broker.ts";
import { MessageStore, type QueueTally, StoreInUseError } from "./queues/message-store.ts";
import { answerProducer, scheduled, type SentMessage } from "./queues/producer.ts";
import { checkStartup } from "./startup-check.ts";
import { d1File, removeD1, removeKv, removeObjects } from "./stored-files.ts";
import { openD1 } from "./stores/d1.ts";
import { openKv } from "./stores/kv.ts";
import { openR2 } from "./stores/r2.ts";
import type { StoreClient } from "./stores/store-client.ts";
import { SystemClient } from "./system-client.ts";
import { TimeTravels } from "./time-travel.ts";
import { Traces } from "./traces.ts";
import { Turns } from "./turns.ts";
import { buildWorkers } from "./worker-options.ts";

/** The default of `RuntimeOptions.drainMs`. */
const DRAIN_MS = 10_000;
/** How long after the last answer `ctx.waitUntil` work may go on before a swap, in milliseconds. */
const GRACE_MS = 250;
/** How long workerd may take to hear what it is told, in milliseconds; only with a worker that spins it takes longer. */
const HEARING_MS = 5000;

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
  readonly #timeTravels: TimeTravels;
  readonly #traces = new Traces((scriptNames) => this.#tellWatched(scriptNames));
  /** What closes the gate, or relies on its being open, does so alone. */
  readonly #turns = new Turns();
  readonly #changes = new LatestWins<DataPlaneState>((state) => this.#turns.take(() => this.#make(state)));
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
    this.#timeTravels = new TimeTravels({
      snapshots: new Snapshots({
        directory: join(directory, "time-travel"),
        locate: (databaseId) => d1File(this.#storage, databaseId),
        now: Date.now,
      }),
      touch: async (databaseId) => void (await this.d1(databaseId).query("SELECT 1", [])),
      hold: (work) => this.#hold(work),
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
    const runsAlready = placement === this.#placement && (await this.#shareOut(state.scripts));
    if (!runsAlready) await this.#swap(state, placement);
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
    if (this.#traces.watched.length === 0) return;
    // A new workerd has heard of nobody who watches. Who deploys does not wait for that at any price.
    const told = this.#tellWatched(this.#traces.watched).catch((error: unknown) => {
      this.#log(`tails miss what follows: ${String(error)}`);
    });
    await Promise.race([told, delay(HEARING_MS, undefined, { ref: false })]);
  }

  async #tellWatched(scriptNames: readonly string[]): Promise<void> {
    if (this.#engine.started) await this.#system.setWatched(scriptNames);
  }

  /** Runs work while no request is on its way to a worker, and nothing changes what runs. */
  #hold<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(async () => {
      await this.#quiesce();
      try {
        return await work();
      } finally {
        this.#gate.open();
      }
    });
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

  /**
   * Tells the splitters a changed split; the fronts and the broker read it from the state.
   * `false` when one did not answer: a worker that spins keeps all of workerd from it.
   */
  async #shareOut(scripts: readonly DeployedScript[]): Promise<boolean> {
    for (const script of scripts.filter(({ name }) => this.#splitScripts.has(name))) {
      const before = this.#state.scripts.find(({ name }) => name === script.name);
      const shares = sharesOf(script);
      if (before !== undefined && JSON.stringify(sharesOf(before)) === JSON.stringify(shares)) continue;
      const told = this.#system.setShares(splitterName(script.name), shares).then(() => true);
      if (await Promise.race([told, delay(HEARING_MS, false, { ref: false })])) continue;
      told.catch(() => undefined);
      this.#log(`${script.name}: workerd does not answer and is started again`);
      return false;
    }
    return true;
  }

  checkStartup(version: ScriptVersion): Promise<StartupFault | null> {
    return checkStartup(version);
  }

  d1 = (databaseId: string) => openD1(databaseId, this.#store);
  timeTravel = (databaseId: string) => this.#timeTravels.open(databaseId);
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

  async send(queue: QueueRecord, messages: readonly SentMessage[]): Promise<QueueTally> {
    this.#broker.adopt(queue);
    return this.#broker.send(queue.id, scheduled(messages, queue, Date.now()));
  }

  async dropD1(databaseId: string): Promise<void> {
    await this.#timeTravels.drop(databaseId);
    await removeD1(this.#storage, databaseId);
  }

  watch(scriptName: string, listener: (trace: Trace) => void): Promise<() => void> {
    return this.#traces.watch(scriptName, listener);
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
    await this.#hold(() => this.#engine.dispose());
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
    const report: unknown = JSON.parse(await text(request));
    for (const line of logLines(name, report)) this.#log(line);
    this.#traces.publish(name, rest, report);
    response.end();
  }
}
