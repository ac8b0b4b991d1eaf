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
import { migrate } from "../lib/migrations.ts";
import { describeTools } from "../lib/provision.ts";
import { releaseArchiver, releaseCanary, releaseHub } from "../lib/release.ts";
import type { ReleaseEvent, TrafficPhase } from "../lib/release-events.ts";
import { rollback } from "../lib/rollback.ts";
import { type Upload, loadEarthquakes, loadFlights } from "./datasets.ts";
import { eraseOne } from "./erase-one.ts";
import { HubClient } from "./hub-client.ts";
import { mapInParallel } from "./map-in-parallel.ts";
import { queueDrained } from "./queue-drain.ts";
import { allSent, readBack, requireWhole } from "./read-back.ts";
import { measurePhase, type PhaseMeasure, type RehearsalReport } from "./report.ts";
import { type PendingWrite, Traffic } from "./traffic.ts";
import { writeVariants } from "./variants.ts";

/** Flights that are kept back, to be written one by one while versions change. */
const HELD_BACK_WRITES = 7_000;
/** Clients at once while a phase is measured, and while scripts upload and deploy beside them. */
const BUSY_CLIENTS = 12;
const QUIET_CLIENTS = 1;
/** The lane router sees a new phase within this time, in milliseconds. */
const PROPAGATION_MS = 2_000;
/** Canary requests a phase must have seen: enough for the shares to mean something. */
const SAMPLES: Readonly<Record<TrafficPhase, number>> = { 1: 320, 2: 720, 3: 300 };
const WRITE_SHARE: Readonly<Record<TrafficPhase, number>> = { 1: 0.03, 2: 0.85, 3: 0.3 };

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
    return `${both.flatMap((applied) => Object.values(applied).flat()).length} migrations`;
  }

  async releaseFirst(): Promise<string> {
    // The canary has no traffic yet, so it need not wait for the archiver; the hub does.
    await Promise.all([releaseArchiver(this.#ready()), releaseCanary(this.#ready())]);
    const { tag } = await releaseHub(this.#ready(), {});
    return `hub, canary and archiver at ${tag}`;
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

  /** Releases a good version by phases, under traffic. */
  async releaseGood(): Promise<string> {
    const { good } = await this.#variants();
    const traffic = this.#traffic();
    const watch = (event: ReleaseEvent): void => this.#measurePhases(event, traffic);
    traffic.writeShare = WRITE_SHARE[1];
    traffic.start();
    try {
      await releaseHub(
        { ...this.#ready(), onEvent: watch },
        {
          main: good,
          gate: (phase) => ({
            intervalMs: PROPAGATION_MS,
            minSample: SAMPLES[phase],
            maxWaitMs: 240_000,
            pollMs: 200,
          }),
        },
      );
    } finally {
      await traffic.stop();
      this.#written.push(...traffic.sent);
    }
    const { read, write } = traffic.total;
    const failed = read.failed + write.failed;
    this.#measures.goodRollout = { requests: read.requests + write.requests, failed };
    if (failed > 0) {
      const [first] = traffic.failures;
      throw new CliError(
        EXIT.failed,
        `${failed} requests failed, first: ${first?.status} ${first?.body.slice(0, 200)}`,
      );
    }
    return `${read.requests + write.requests} requests, none failed`;
  }

  /** Releases a version that answers 500 on a part of its reads, and watches it being taken back. */
  async releaseBad(): Promise<string> {
    const { broken } = await this.#variants();
    const traffic = this.#traffic();
    const watch = (event: ReleaseEvent): void => {
      this.#onRelease(event);
      if (event.type === "gate") traffic.clients = BUSY_CLIENTS;
    };
    traffic.start();
    let reason = "";
    try {
      await releaseHub(
        { ...this.#ready(), onEvent: watch },
        {
          main: broken,
          gate: { intervalMs: 30_000, minSample: 5_000, pollMs: 200 },
        },
      );
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.rolledBack) throw error;
      reason = error.message;
      // Whatever is still to come from the canary comes within the propagation time.
      await this.#ready().clock.sleep(PROPAGATION_MS, this.#options.signal);
    } finally {
      await traffic.stop();
      this.#written.push(...traffic.sent);
    }
    const [firstBad] = traffic.failures;
    const last = traffic.lastCanaryAnswerAt;
    if (reason === "" || firstBad === undefined || last === null) {
      throw new CliError(EXIT.failed, "the bad version was not taken back");
    }
    const { read, write } = traffic.total;
    const secondsToZero = Math.max(0, last - firstBad.at) / 1000;
    this.#measures.badRollout = {
      requests: read.requests + write.requests,
      failed: read.failed + write.failed,
      secondsToZero,
      reason,
    };
    return `back at 0 % ${secondsToZero.toFixed(1)} s after its first bad answer`;
  }

  /** Compares again, with what was written while versions changed: that is still hot, the rest is cold. */
  async compareAll(): Promise<string> {
    await this.#queueDrained();
    return this.compare();
  }

  /** Takes the promoted good version back to the first one. */
  async rollBack(): Promise<string> {
    const started = performance.now();
    const report = await rollback(this.#ready(), { target: "hub", reason: "rehearsal" });
    const seconds = (performance.now() - started) / 1000;
    this.#measures.rollback = { from: report.from, to: report.to, seconds };
    return `${report.from.slice(0, 8)} → ${report.to.slice(0, 8)}`;
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

  report(steps: RehearsalReport["steps"], seconds: number): RehearsalReport {
    const { records, bytes, goodRollout, badRollout, rollback: back } = this.#measures;
    const { compaction, erasure, verification } = this.#measures;
    const archive = compaction && erasure && verification && { compaction, erasure, verification };
    if (!records || !bytes || !goodRollout || !badRollout || !back || !archive) {
      throw new Error("the report is asked for before every step has run");
    }
    return {
      ...this.#tools,
      records,
      bytes,
      phases: this.#phases,
      goodRollout,
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
    if (event.type === "gate") this.#options.onProgress(`phase ${event.phase}: ${event.reason}`);
    if (event.type === "note") this.#options.onProgress(event.message);
  }

  /** A phase's window opens when every isolate knows the phase, and closes when its gate passes. */
  #measurePhases(event: ReleaseEvent, traffic: Traffic): void {
    this.#onRelease(event);
    if (event.type !== "gate") return;
    traffic.writeShare = WRITE_SHARE[event.phase];
    traffic.clients = event.verdict === "waiting" ? BUSY_CLIENTS : QUIET_CLIENTS;
    if (event.verdict === "waiting" && event.elapsedMs < PROPAGATION_MS) traffic.openWindow();
    if (event.verdict === "pass") {
      this.#phases.push(measurePhase(event.phase, traffic.window));
      traffic.openWindow();
    }
  }

  #traffic(): Traffic {
    return new Traffic({
      client: this.#hub(),
      clients: QUIET_CLIENTS,
      writes: this.#heldBack,
      readable: this.#uploads.map(({ table, datasetId }) => ({ table, datasetId })),
    });
  }

  #variants(): Promise<{ readonly good: string; readonly broken: string }> {
    return writeVariants(this.#options.root, path.join(this.#options.directory, "variants"));
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
