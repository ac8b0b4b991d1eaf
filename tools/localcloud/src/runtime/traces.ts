/** Who watches which script, and what the tail of a version reports. */
import { z } from "zod";
import type { Trace } from "./contract.ts";

/** What the system worker's tail sends: each field as the platform names it. */
const reportSchema = z.array(
  z.looseObject({
    outcome: z.string(),
    logs: z.array(z.looseObject({ level: z.string(), message: z.unknown().optional() })),
    exceptions: z.array(
      z.looseObject({ name: z.string(), message: z.string(), stack: z.string().optional() }),
    ),
    eventTimestamp: z.number().nullable(),
    event: z.record(z.string(), z.unknown()).nullable(),
  }),
);

type Listener = (trace: Trace) => void;

export class Traces {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #tell: (scriptNames: readonly string[]) => Promise<void>;

  /** @param tell says in workerd which scripts are watched. */
  constructor(tell: (scriptNames: readonly string[]) => Promise<void>) {
    this.#tell = tell;
  }

  /** The scripts that somebody watches. */
  get watched(): readonly string[] {
    return [...this.#listeners.keys()];
  }

  async watch(scriptName: string, listener: Listener): Promise<() => void> {
    const listeners = this.#listeners.get(scriptName) ?? new Set();
    this.#listeners.set(scriptName, listeners.add(listener));
    await this.#tell(this.watched);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(scriptName) !== listeners) return;
      this.#listeners.delete(scriptName);
      // A script that is told of in vain does no harm: the next change says so again.
      this.#tell(this.watched).catch(() => undefined);
    };
  }

  /** Passes the report of a version's tail on to who watches the script. */
  publish(scriptName: string, versionId: string, report: unknown): void {
    const listeners = this.#listeners.get(scriptName);
    if (listeners === undefined) return;
    for (const item of reportSchema.parse(report)) {
      const trace: Trace = { ...item, scriptName, scriptVersion: { id: versionId } };
      for (const listener of listeners) listener(trace);
    }
  }
}
