/** Steady requests of many clients, of which each answer is known: what differs is harm. */
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { uploadBody, type Answer, type HubClient } from "../rehearsal/hub-client.ts";
import type { Upload } from "../rehearsal/datasets.ts";
import { UNLUCKY_TENANT } from "./kinds.ts";
import { Pulse } from "./pulse.ts";

/** Clients at once; each waits between two requests, so that the load does not depend on the answers' speed. */
const CLIENTS = 24;
const THINK_MS = 60;
/** Of so many requests one is a write. */
const ONE_WRITE_IN = 4;
/**
 * An answer of the canary that took so much longer than the stable lane needs at that time is harm, in
 * milliseconds: a good one takes tens, and what makes both slow is the machine's doing.
 */
const SLOW_MS = 250;
const LIMIT = 5;

export interface Counted {
  readonly requests: number;
  readonly failed: number;
  readonly slow: number;
  /** Wrong in another way: media type, shape, or records that are missing. */
  readonly wrong: number;
  /** Reads that the canary failed and the stable lane answered. */
  readonly spared: number;
  /** Writes that were answered 202. */
  readonly written: number;
  /** Milliseconds UTC of each answer that did harm or was spared. */
  readonly harmedAt: readonly number[];
}

const NOTHING: Counted = {
  requests: 0,
  failed: 0,
  slow: 0,
  wrong: 0,
  spared: 0,
  written: 0,
  harmedAt: [],
};

interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly status: number;
  /** Whether the body is what it should be. */
  readonly isRight: (body: unknown) => boolean;
  readonly body?: unknown;
}

/** Whether the body has a list of that name with at least so many elements. */
const hasList =
  (name: string, least: number) =>
  (body: unknown): boolean => {
    const { data } = z.record(z.string(), z.unknown()).safeParse(body);
    const list = data?.[name];
    return Array.isArray(list) && list.length >= least;
  };

export class Load {
  readonly #client: HubClient;
  readonly #pulse: Pulse;
  readonly #uploads: readonly Upload[];
  #counted = NOTHING;
  #serial = 0;
  #running: readonly Promise<void>[] = [];
  #stopped = true;

  /**
   * @param operator a client that may choose the lane
   * @param uploads tenants that have more than `LIMIT` records each
   */
  constructor(client: HubClient, operator: HubClient, uploads: readonly Upload[]) {
    this.#client = client;
    this.#pulse = new Pulse(operator);
    this.#uploads = uploads;
  }

  start(): void {
    this.#counted = NOTHING;
    this.#stopped = false;
    this.#pulse.start();
    this.#running = Array.from({ length: CLIENTS }, (_, index) => this.#work(index));
  }

  async stop(): Promise<Counted> {
    this.#stopped = true;
    await Promise.all(this.#running);
    await this.#pulse.stop();
    return this.#counted;
  }

  get counted(): Counted {
    return this.#counted;
  }

  async #work(index: number): Promise<void> {
    await pause((index * THINK_MS) / CLIENTS);
    while (!this.#stopped) {
      this.#serial += 1;
      await this.#once(this.#serial);
      await pause(THINK_MS);
    }
  }

  #ask(serial: number): Asked {
    const upload = this.#uploads[Math.floor(serial / ONE_WRITE_IN) % this.#uploads.length];
    if (upload === undefined) throw new Error("the load has no tenant");
    if (serial % ONE_WRITE_IN === 0) {
      const record = upload.records[serial % upload.records.length];
      return {
        method: "POST",
        path: "/buffer",
        status: 202,
        isRight: (body) => typeof body === "object" && body !== null && "accepted" in body,
        // A table of its own tenants, so that what is read is not what is written.
        body: uploadBody({
          ...upload,
          datasetId: `${upload.datasetId}-battery`,
          records: record === undefined ? [] : [record],
        }),
      };
    }
    if (serial % ONE_WRITE_IN === 1) {
      const { table, datasetId } = upload;
      return {
        method: "GET",
        path: `/read?table=${table}&dataset_id=${datasetId}&limit=${LIMIT}`,
        status: 200,
        isRight: hasList("records", LIMIT),
      };
    }
    return { method: "GET", path: "/tables", status: 200, isRight: hasList("tables", 1) };
  }

  async #once(serial: number): Promise<void> {
    const asked = this.#ask(serial);
    const began = Date.now();
    const answer = await this.#client.request(asked.method, asked.path, `client-${serial}`, asked.body);
    const took = Date.now() - began;
    this.#count(asked, answer, took - this.#pulse.slowestSince(began));
  }

  /** @param later milliseconds by which it took longer than the stable lane did meanwhile */
  #count(asked: Asked, answer: Answer, later: number): void {
    const failed = answer.status !== asked.status;
    const wrong = !failed && (answer.mediaType !== "application/json" || !asked.isRight(parsed(answer.body)));
    const canary = answer.lane === "canary" || answer.spared;
    const slow = canary && !failed && !wrong && later > SLOW_MS;
    const harm = failed || wrong || slow || answer.spared;
    const one = (is: boolean): number => (is ? 1 : 0);
    const before = this.#counted;
    this.#counted = {
      requests: before.requests + 1,
      failed: before.failed + one(failed),
      wrong: before.wrong + one(wrong),
      slow: before.slow + one(slow),
      spared: before.spared + one(answer.spared),
      written: before.written + one(asked.method === "POST" && !failed),
      harmedAt: harm ? [...before.harmedAt, Date.now()] : before.harmedAt,
    };
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** Tenants of the load: those with enough records, and the one that a defect is made for. */
export function loadTenants(uploads: readonly Upload[]): readonly Upload[] {
  const large = uploads.filter(({ records }) => records.length > 10 * LIMIT);
  return [
    ...large.filter(({ datasetId }) => datasetId === UNLUCKY_TENANT),
    ...large.filter(({ datasetId }) => datasetId !== UNLUCKY_TENANT).slice(0, 15),
  ];
}
