/** The steps of a rehearsal, each a method; the state between them is what has been measured so far. */
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { type LocalCloud, readProcessFile, startLocalCloud } from "@strata/localcloud";
import { topology } from "../../infra/topology.ts";
import { openArchive } from "../lib/archive/client.ts";
import { compactArchive, compactedText } from "../lib/archive/compact.ts";
import type { Operator } from "../lib/archive/operator.ts";
import { archiveAll } from "../lib/archive/run.ts";
import { verifiedText, verifyArchive } from "../lib/archive/verify.ts";
import type { ReleaseContext } from "../lib/environment.ts";
import { CliError, EXIT } from "../lib/exit.ts";
import { provisionLocalContext } from "../lib/local-context.ts";
import { openLogFile } from "../lib/log-file.ts";
import { removeLocalCloud } from "../lib/local-state.ts";
import { migrate } from "../lib/migrations/index.ts";
import { describeTools } from "../lib/provision.ts";
import type { ReleaseEvent } from "../lib/release/events.ts";
import { release } from "../lib/release/release.ts";
import { rollback } from "../lib/release/rollback.ts";
import { progressText } from "../lib/release/watch.ts";
import { type Upload, loadEarthquakes, loadFlights } from "./datasets.ts";
import { eraseOne } from "./erase-one.ts";
import { HubClient } from "./hub-client.ts";
import { mapInParallel } from "./map-in-parallel.ts";
import { queueDrained } from "./queue-drain.ts";
import { allSent, readBack, requireWhole } from "./read-back.ts";
import { type PhaseMeasure, type RehearsalReport } from "./report.ts";
import { releaseBad, releaseBadByCopies, releaseGood, type RolloutOptions } from "./rollouts.ts";
import { type PendingWrite, Traffic } from "./traffic.ts";
import { writeVariants } from "./variants.ts";

/** Flights that are kept back, to be written one by one while versions change. */
const HELD_BACK_WRITES = 7_000;
/** Clients while scripts upload and deploy beside them. */
const QUIET_CLIENTS = 1;

/** Tenants that are uploaded at once. */
const TENANTS_AT_ONCE = 4;

export interface RehearsalOptions {
  readonly root: string;
  /** Everything that the rehearsal writes; emptied at its start. */
  readonly directory: string;
  /** Port of the local cloud's API; 0 picks a free one. */
  readonly port: number;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

type MeasureKey =
  | "records"
  | "bytes"
  | "goodRollout"
  | "badCopies"
  | "badRollout"
  | "rollback"
  | "compaction"
  | "erasure"
  | "verification";

type Measures = {
  -readonly [Key in MeasureKey]: RehearsalReport[Key];
};

export class Rehearsal {
  readonly #options: RehearsalOptions;
  readonly #phases: PhaseMeasure[] = [];
  readonly #measures: Partial<Measures> = {};
  #cloud: LocalCloud | null = null;
  #tools = { engine: "", provider: "" };
  #context: ReleaseContext | null = null;
  #client: HubClient | null = null;
  #operator: Operator | null = null;
  #uploads: readonly Upload[] = [];
  #heldBack: PendingWrite[] = [];
  #written: PendingWrite[] = [];
  #jsonBytes = 0;

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  /** What the Workers and the local cloud log. */
  get logFile(): string {
    return path.join(this.#options.directory, "cloud.log");
  }

  /** URLs to click, once the cloud is up. */
  get urls(): Readonly<Record<string, string>> {
    const cloud = this.#running();
    const { workers } = topology("local");
    const hub = cloud.scriptUrl(workers.hub.name);
    return { hub, docs: `${hub}/docs`, health: `${hub}/health`, api: cloud.apiUrl };
  }

  /** The key that opens `/buffer` and `/read`. */
  get apiKey(): string {
    return this.#ready().secrets["BOOTSTRAP_API_KEY"] ?? "";
  }

  /** @throws {CliError} when another rehearsal runs in the directory */
  async startCloud(): Promise<string> {
    const { directory, port } = this.#options;
    const cloudDirectory = path.join(directory, "cloud");
    const other = readProcessFile(cloudDirectory);
    if (other !== null) {
      throw new CliError(EXIT.failed, `A rehearsal runs in ${directory} already (process ${other.pid})`, {
        hints: [
          "Stop it, or give this one a place of its own: npm run rehearse -- --directory .strata/second",
        ],
      });
    }
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    const log = await openLogFile(this.logFile);
    this.#cloud = await startLocalCloud({
      directory: cloudDirectory,
      port,
      log: log.write,
    });
    return this.#cloud.apiUrl;
  }

  async provision(): Promise<string> {
    const cloud = this.#running();
    const { root, directory, signal, onProgress } = this.#options;
    const { context, provisioned } = await provisionLocalContext(cloud, {
      root,
      directory,
      onProgress,
      onEvent: (event) => this.#onRelease(event),
      signal,
    });
    this.#context = context;
    this.#tools = { engine: provisioned.engine, provider: provisioned.provider };
    const key = context.secrets["BOOTSTRAP_API_KEY"];
    if (key === undefined) throw new CliError(EXIT.failed, "the local secrets hold no BOOTSTRAP_API_KEY");
    this.#client = new HubClient(cloud.scriptUrl(context.topology.workers.hub.name), key);
    const archive = await openArchive(context, onProgress);
    this.#operator = { archive, clock: context.clock, signal, tell: onProgress };
    return `${provisioned.summary.created} resources; ${describeTools(this.#tools)}`;
  }

  async migrate(): Promise<string> {
    const both = await Promise.all([migrate(this.#ready(), ["hub"]), migrate(this.#ready(), ["archive"])]);
    const files = both.flatMap((applied) => Object.values(applied).flatMap((report) => report.files));
    return `${files.length} migrations`;
  }

  async releaseFirst(): Promise<string> {
    const { tag } = await release(this.#ready(), "all");
    return `archiver, hub and their canaries at ${tag}`;
  }

  async ingest(): Promise<string> {
    const [earthquakes, flights] = await Promise.all([loadEarthquakes(), loadFlights()]);
    const heldPerOrigin =
      HELD_BACK_WRITES / flights.reduce((total, { records }) => total + records.length, 0);
    const split = flights.map((upload) => {
      const held = Math.floor(upload.records.length * heldPerOrigin);
      this.#heldBack.push(...upload.records.slice(0, held).map((record) => ({ upload, record })));
      return { ...upload, records: upload.records.slice(held) };
    });
    this.#uploads = [...earthquakes, ...split];
    const client = this.#hub();
    const sizes = await mapInParallel(this.#uploads, TENANTS_AT_ONCE, (upload) => client.upload(upload));
    this.#jsonBytes = sizes.reduce((total, bytes) => total + bytes, 0);
    const records = this.#uploads.reduce((total, upload) => total + upload.records.length, 0);
    return `${records} records of ${this.#uploads.length} tenants, ${(this.#jsonBytes / 1e6).toFixed(2)} MB of JSON`;
  }

  /** Waits until the queue has delivered everything, then archives until nothing is left. */
  async archive(): Promise<string> {
    await this.#queueDrained();
    const { records, files, blocks, coldBytes: bytes } = await archiveAll(this.#archiveOperator());
    this.#measures.bytes = { json: this.#jsonBytes, cold: bytes };
    return `${records} records → ${files} files, ${blocks} blocks, ${(bytes / 1e6).toFixed(2)} MB`;
  }

  /** Reads every tenant back and compares it, record by record, with what was sent. */
  async compare(): Promise<string> {
    const total = await readBack(this.#hub(), allSent(this.#uploads, this.#written));
    this.#measures.records = total;
    requireWhole(total);
    return `${total.read} records (${total.hot} hot, ${total.cold} cold): nothing lost, nothing doubled`;
  }

  /** Releases good versions of both Workers by phases, under traffic. */
  async releaseGood(): Promise<string> {
    const { phases, goodRollout } = await this.#underTraffic(releaseGood);
    this.#phases.push(...phases);
    this.#measures.goodRollout = goodRollout;
    return `${goodRollout.requests} requests, none failed`;
  }

  /** Releases a version that answers 500 on a part of its requests: copies of reads show it. */
  async releaseBadByCopies(): Promise<string> {
    const bad = await this.#underTraffic(releaseBadByCopies);
    this.#measures.badCopies = bad;
    return `${bad.canaryAnswers} of ${bad.requests} requests met it`;
  }

  /** Releases it again with a share of the traffic, and watches it being taken back. */
  async releaseBad(): Promise<string> {
    const bad = await this.#underTraffic(releaseBad);
    this.#measures.badRollout = bad;
    return `back at 0 % ${bad.secondsToZero.toFixed(1)} s after its first bad answer`;
  }

  /** Compares again, with what was written while versions changed: that is still hot, the rest is cold. */
  async compareAll(): Promise<string> {
    await this.#queueDrained();
    return this.compare();
  }

  /** Takes the promoted good version back to the first one. */
  async rollBack(): Promise<string> {
    const started = performance.now();
    const { returned } = await rollback(this.#ready(), { target: "all", reason: "rehearsal" });
    const seconds = (performance.now() - started) / 1000;
    const scripts = returned.map(({ worker, from, to }) => ({ worker, from, to }));
    this.#measures.rollback = { scripts, seconds };
    return scripts.map(({ worker, to }) => `${worker} → ${to.slice(0, 8)}`).join(", ");
  }

  /** Archives what was written while versions changed, then merges the small files that this has left. */
  async compact(): Promise<string> {
    await archiveAll(this.#archiveOperator());
    const compaction = await compactArchive(this.#archiveOperator(), true);
    this.#measures.compaction = { before: compaction.before, after: compaction.after };
    return compactedText(compaction);
  }

  /** Erases one tenant; every other one must still be as it was sent. */
  async erase(): Promise<string> {
    const sent = allSent(this.#uploads, this.#written);
    const erasure = await eraseOne(this.#archiveOperator(), this.#hub(), sent);
    this.#measures.erasure = erasure;
    requireWhole(erasure.others);
    const { datasetId, sent: gone, filesRewritten, others } = erasure;
    return `${gone} records of ${datasetId}, ${filesRewritten} files rewritten; ${others.read} of the others as before`;
  }

  /** Checks every byte of the archive. */
  async verify(): Promise<string> {
    const { files, records, faultCount, ...rest } = await verifyArchive(this.#archiveOperator(), "full");
    this.#measures.verification = { files, records, faults: faultCount };
    return `${faultCount} faults in ${verifiedText({ files, records, faultCount, ...rest })}`;
  }

  /** A rollout under traffic; what was written meanwhile has to be read back, however it ends. */
  async #underTraffic<T>(rollOut: (options: RolloutOptions) => Promise<T>): Promise<T> {
    const traffic = this.#traffic();
    try {
      return await rollOut(await this.#rollout(traffic));
    } finally {
      this.#written.push(...traffic.sent);
    }
  }

  report(steps: RehearsalReport["steps"], seconds: number): RehearsalReport {
    const { records, bytes, goodRollout, badCopies, badRollout, rollback: back } = this.#measures;
    const { compaction, erasure, verification } = this.#measures;
    const archive = compaction && erasure && verification && { compaction, erasure, verification };
    if (!records || !bytes || !goodRollout || !badCopies || !badRollout || !back || !archive) {
      throw new Error("the report is asked for before every step has run");
    }
    return {
      ...this.#tools,
      records,
      bytes,
      phases: this.#phases,
      goodRollout,
      badCopies,
      badRollout,
      rollback: back,
      ...archive,
      steps,
      seconds,
    };
  }

  /** Stops the cloud; what it stored stays in the directory. */
  async stop(): Promise<void> {
    this.#client?.close();
    await removeLocalCloud(this.#options.directory);
    await this.#cloud?.stop();
    this.#cloud = null;
  }

  #onRelease(event: ReleaseEvent): void {
    if (event.type === "step" && event.status === "started") this.#options.onProgress(event.title);
    if (event.type === "rollout") this.#options.onProgress(progressText(event.state, Date.now()));
    if (event.type === "note") this.#options.onProgress(event.message);
  }

  async #rollout(traffic: Traffic): Promise<RolloutOptions> {
    return {
      context: this.#ready(),
      traffic,
      variants: await writeVariants(this.#options.root, path.join(this.#options.directory, "variants")),
      onEvent: (event) => this.#onRelease(event),
    };
  }

  #traffic(): Traffic {
    return new Traffic({
      client: this.#hub(),
      clients: QUIET_CLIENTS,
      writes: this.#heldBack,
      readable: this.#uploads.map(({ table, datasetId }) => ({ table, datasetId })),
    });
  }

  #queueDrained(): Promise<void> {
    const { topology: wanted, clock } = this.#ready();
    return queueDrained(this.#running().apiUrl, wanted.queues.ingest.name, clock, this.#options.signal);
  }

  #running(): LocalCloud {
    if (this.#cloud === null) throw new Error("the local cloud has not been started");
    return this.#cloud;
  }

  #ready(): ReleaseContext {
    if (this.#context === null) throw new Error("nothing is provisioned yet");
    return this.#context;
  }

  #archiveOperator(): Operator {
    if (this.#operator === null) throw new Error("nothing is provisioned yet");
    return this.#operator;
  }

  #hub(): HubClient {
    if (this.#client === null) throw new Error("nothing is provisioned yet");
    return this.#client;
  }
}
