/**
 * Steady traffic of many clients against the hub, with a tally per window: how
 * many requests of each class went to which lane, and how many failed.
 */
import type { RecordValue, Upload } from "./datasets.ts";
import { type HubClient, uploadBody } from "./hub-client.ts";

export interface ClassTally {
  requests: number;
  canary: number;
  failed: number;
}

export interface Tally {
  readonly read: ClassTally;
  readonly write: ClassTally;
}

/** One record that a write will send, as an upload of its own. */
export interface PendingWrite {
  readonly upload: Upload;
  readonly record: RecordValue;
}

export interface ReadTarget {
  readonly table: string;
  readonly datasetId: string;
}

export interface TrafficOptions {
  readonly client: HubClient;
  /** Clients at once to begin with; each has one request in flight. */
  readonly clients: number;
  /** Records to send, taken from the front; when none is left only reads are made. */
  readonly writes: PendingWrite[];
  /** Tenants and tables to read. */
  readonly readable: readonly ReadTarget[];
}

export interface FailedAnswer {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly status: number;
  readonly lane: string | null;
  readonly body: string;
}

const emptyTally = (): Tally => ({
  read: { requests: 0, canary: 0, failed: 0 },
  write: { requests: 0, canary: 0, failed: 0 },
});

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #sent: PendingWrite[] = [];
  readonly #failures: FailedAnswer[] = [];
  #window = emptyTally();
  #total = emptyTally();
  #writeShare = 0;
  #lastCanaryAnswerAt: number | null = null;
  #serial = 0;
  #spared = 0;
  readonly #running = new Set<Promise<void>>();
  #clients = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** Records whose write was answered 202: they must be read back. */
  get sent(): readonly PendingWrite[] {
    return this.#sent;
  }

  get failures(): readonly FailedAnswer[] {
    return this.#failures;
  }

  get total(): Tally {
    return this.#total;
  }

  /** Milliseconds UTC of the newest answer that the canary lane gave. */
  get lastCanaryAnswerAt(): number | null {
    return this.#lastCanaryAnswerAt;
  }

  /** Reads that the canary failed and the stable lane answered. */
  get spared(): number {
    return this.#spared;
  }

  /** What was counted since the last call of `openWindow`. */
  get window(): Tally {
    return structuredClone(this.#window);
  }

  /** Begins a new window; requests in flight are counted where they end. */
  openWindow(): void {
    this.#window = emptyTally();
  }

  /** Share of requests that are writes, 0–1. */
  set writeShare(share: number) {
    this.#writeShare = share;
  }

  /** How many clients there are at once; takes effect as requests end. */
  set clients(count: number) {
    this.#clients = count;
    while (this.#running.size < count) this.#join();
  }

  start(): void {
    this.clients = this.#options.clients;
  }

  /** Lets the requests in flight end. */
  async stop(): Promise<void> {
    this.clients = 0;
    await Promise.all(this.#running);
  }

  #join(): void {
    const client = this.#work().finally(() => this.#running.delete(client));
    this.#running.add(client);
  }

  async #work(): Promise<void> {
    // The set still holds this client: more than wanted means that one has to leave.
    while (this.#running.size <= this.#clients) {
      this.#serial += 1;
      const serial = this.#serial;
      const write = Math.random() < this.#writeShare ? this.#options.writes.shift() : undefined;
      if (write === undefined) await this.#read(serial);
      else await this.#write(write, serial);
    }
  }

  async #read(serial: number): Promise<void> {
    const { client, readable } = this.#options;
    const target = readable[serial % readable.length];
    this.#count("read", await client.request("GET", readPath(serial, target), `client-${serial}`), 200);
  }

  async #write(write: PendingWrite, serial: number): Promise<void> {
    const body = uploadBody({ ...write.upload, records: [write.record] });
    const answer = await this.#options.client.request("POST", "/buffer", `client-${serial}`, body);
    this.#count("write", answer, 202);
    if (answer.status === 202) this.#sent.push(write);
  }

  #count(
    kind: keyof Tally,
    answer: { status: number; lane: string | null; spared: boolean; body: string },
    expected: number,
  ): void {
    // A read that the stable lane answered for the canary was the canary's share all the same.
    const canary = answer.lane === "canary" || answer.spared;
    const failed = answer.status !== expected;
    const now = Date.now();
    for (const tally of [this.#window, this.#total]) {
      tally[kind].requests += 1;
      if (canary) tally[kind].canary += 1;
      if (failed) tally[kind].failed += 1;
    }
    if (canary || answer.spared) this.#lastCanaryAnswerAt = now;
    if (answer.spared) this.#spared += 1;
    if (failed) this.#failures.push({ at: now, status: answer.status, lane: answer.lane, body: answer.body });
  }
}

/** Of eight reads one asks the archive, one the archiver's tables, and six stay in the hub. */
function readPath(serial: number, target: ReadTarget | undefined): string {
  if (target !== undefined && serial % 8 === 0) {
    return `/read?table=${target.table}&dataset_id=${target.datasetId}&limit=20`;
  }
  return serial % 8 === 4 ? "/tables" : "/";
}

/** Share of a class that the canary answered, in percent; `null` without requests. */
export function canaryShare({ requests, canary }: ClassTally): number | null {
  return requests === 0 ? null : (100 * canary) / requests;
}
