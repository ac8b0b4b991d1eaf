/** Fires the scripts' cron triggers. */
import { Cron } from "croner";
import type { DeployedScript } from "../model.ts";

/** Runs a script's `scheduled` handler for a cron at a time (ms UTC). */
export type FireCron = (scriptName: string, cron: string, scheduledTime: number) => void;

/**
 * A cron trigger: five fields, in UTC; as on the platform 1 is Sunday and 7 Saturday.
 * Without `run` it is not scheduled.
 * @throws {Error} when `cron` is not a cron expression.
 */
function cronTrigger(cron: string, run?: () => void): Cron {
  const options = { mode: "5-part", timezone: "UTC", alternativeWeekdays: true, unref: true } as const;
  return run === undefined ? new Cron(cron, options) : new Cron(cron, options, run);
}

/**
 * A cron trigger's next time after `from`, both ms UTC; `null` when there is none.
 * @throws {Error} when `cron` is not a cron expression.
 */
export function nextRun(cron: string, from: number): number | null {
  return cronTrigger(cron).nextRun(new Date(from))?.getTime() ?? null;
}

export class Crons {
  readonly #fire: FireCron;
  readonly #log: (line: string) => void;
  readonly #jobs = new Map<string, Cron>();

  constructor(fire: FireCron, log: (line: string) => void) {
    this.#fire = fire;
    this.#log = log;
  }

  /** Schedules what the scripts ask for, and nothing else. */
  apply(scripts: readonly DeployedScript[]): void {
    const wanted = new Map<string, { readonly script: DeployedScript; readonly cron: string }>(
      scripts
        .filter((script) => script.versions.length > 0)
        .flatMap((script) =>
          script.crons.map((cron) => [`${script.name} ${cron}`, { script, cron }] as const),
        ),
    );
    for (const [key, job] of this.#jobs) {
      if (wanted.has(key)) continue;
      job.stop();
      this.#jobs.delete(key);
    }
    for (const [key, { script, cron }] of wanted) {
      if (!this.#jobs.has(key)) this.#schedule(key, script.name, cron);
    }
  }

  stop(): void {
    for (const job of this.#jobs.values()) job.stop();
    this.#jobs.clear();
  }

  #schedule(key: string, scriptName: string, cron: string): void {
    try {
      const job = cronTrigger(cron, () => {
        const scheduledTime = Math.floor(Date.now() / 60_000) * 60_000;
        this.#fire(scriptName, cron, scheduledTime);
      });
      this.#jobs.set(key, job);
    } catch (error) {
      this.#log(`${scriptName}: cron "${cron}" cannot be scheduled: ${String(error)}`);
    }
  }
}
