/** What the rollout object needs of the world; tests pass their own, and count or break each call. */
import type { BackgroundOrder, BackgroundTally } from "../../../../archiver/src/contract.ts";
import type { Env } from "../../env.generated.ts";
import { log, type SECRET_NAMES } from "../../http/index.ts";
import { recordTransitions, type HistoryEntry } from "./history.ts";
import { redactFields } from "./redact.ts";

export type LogLevel = Parameters<typeof log>[1];
export type LogFields = Parameters<typeof log>[3];

/** Secrets and settings that the object reads. */
export type RolloutSettings = Pick<Env, "ENVIRONMENT"> & Partial<Pick<Env, (typeof SECRET_NAMES)[number]>>;

export interface Surroundings {
  readonly settings: RolloutSettings;
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Gives the archiver its order and takes its counts. */
  background(order: BackgroundOrder): Promise<BackgroundTally>;
  /** Mirrors transitions to D1; a repeat changes nothing. */
  record(entries: readonly HistoryEntry[]): Promise<void>;
  /** @param at milliseconds since the epoch; `null`: no further alarm */
  setAlarm(at: number | null): Promise<void>;
  log(level: LogLevel, event: string, fields: LogFields): void;
}

/** The platform's own. */
export function platformSurroundings(storage: DurableObjectStorage, env: Env): Surroundings {
  return {
    settings: env,
    now: () => Date.now(),
    sleep: (ms) =>
      new Promise((resolve) => {
        setTimeout(resolve, ms);
      }),
    fetch: (url, init) => fetch(url, init),
    background: async (order) => await env.ARCHIVER.background(order),
    record: (entries) => recordTransitions(env.DB, entries),
    setAlarm: (at) => (at === null ? storage.deleteAlarm() : storage.setAlarm(at)),
    log: (level, event, fields) => log(env, level, event, redactFields(fields, env)),
  };
}
