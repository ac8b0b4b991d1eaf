/** The one Miniflare instance: starts workerd, replaces what it runs, says where each worker listens. */
import {
  Log,
  LogLevel,
  Miniflare,
  MiniflareCoreError,
  type MiniflareOptions,
  type WorkerOptions,
} from "miniflare";
import { endStaleWorkerd, leashed, leashEnvironment } from "./leash.ts";

/** workerd refused to start. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** What workerd said, each in one line. */
  readonly sentences: readonly string[];

  constructor(sentences: readonly string[], cause: unknown) {
    super(sentences.join("; ").replaceAll("core:user:", ""), { cause });
    this.sentences = sentences;
  }
}

export interface EngineOptions {
  /** Where stores persist; absent: nowhere. */
  readonly storage?: string;
  /** File that remembers workerd's process id. */
  readonly pidFile: string;
  readonly log: (line: string) => void;
  /** Called when workerd has crashed. */
  readonly onCrash?: () => void;
}

export class Engine {
  readonly #options: EngineOptions;
  #miniflare: Miniflare | undefined;
  #running: readonly WorkerOptions[] | undefined;
  readonly #urls = new Map<string, URL>();

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  get started(): boolean {
    return this.#miniflare !== undefined;
  }

  /**
   * Makes workerd run exactly these workers. When it refuses, what ran before runs again.
   * @throws {EngineError}
   */
  async run(workers: readonly WorkerOptions[]): Promise<void> {
    try {
      await this.#start(workers).catch(async (error: unknown) => {
        if (!isAddressInUse(error)) throw error;
        // Another process took a port between two starts; a new instance takes new ports.
        await this.dispose();
        await this.#start(workers);
      });
      this.#running = workers;
    } catch (error) {
      await this.dispose();
      if (this.#running !== undefined) await this.#start(this.#running);
      throw new EngineError(startupSentences(error), error);
    }
  }

  /** Where a worker listens. */
  url(workerName: string): URL {
    const url = this.#urls.get(workerName);
    if (url === undefined) throw new Error(`worker ${workerName} does not run`);
    return url;
  }

  /** Stops workerd. */
  async dispose(): Promise<void> {
    const miniflare = this.#miniflare;
    this.#miniflare = undefined;
    this.#urls.clear();
    await miniflare?.dispose().catch(() => undefined);
  }

  async #start(workers: readonly WorkerOptions[]): Promise<void> {
    const options = this.#instanceOptions(workers);
    await leashed(async () => {
      if (this.#miniflare === undefined) {
        await endStaleWorkerd(this.#options.pidFile);
        this.#miniflare = new Miniflare(options);
        await this.#miniflare.ready;
      } else {
        await this.#miniflare.setOptions(options);
      }
    });
    await this.#locate(workers);
  }

  async #locate(workers: readonly WorkerOptions[]): Promise<void> {
    this.#urls.clear();
    for (const { config, dev } of workers) {
      if (dev?.unsafeDirectSockets === undefined) continue;
      const url = await this.#miniflare?.unsafeGetDirectURL(config.name);
      if (url !== undefined) this.#urls.set(config.name, url);
    }
  }

  #instanceOptions(workers: readonly WorkerOptions[]): MiniflareOptions {
    const { storage, pidFile, log, onCrash } = this.#options;
    return {
      host: "127.0.0.1",
      port: 0,
      cf: false,
      enableDevRegistry: false,
      logRequests: false,
      log: new LineLog(log),
      ...(storage === undefined ? {} : { resourcePersistencePath: storage }),
      // Deployed workers log through their tail, which knows their names.
      handleStructuredLogs: ({ message }) => {
        if (CRASH.test(message)) log(`workerd: ${message}`);
      },
      unsafeRuntimeEnv: leashEnvironment(pidFile),
      unsafeHandleRuntimeRestart: () => onCrash?.(),
      workers: [...workers],
    };
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof MiniflareCoreError && error.code === "ERR_ADDRESS_IN_USE";
}

const CRASH = /^\*\*\* /;

/** Miniflare's warnings and errors as lines of the local cloud's log. */
class LineLog extends Log {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    super(LogLevel.WARN);
    this.#write = write;
  }

  protected override log(message: string): void {
    this.#write(`miniflare: ${message}`);
  }
}

/** workerd's own words: Miniflare makes its output, lines of JSON, part of a longer message. */
function startupSentences(error: unknown): readonly string[] {
  const text = error instanceof Error ? error.message : String(error);
  const output = text.split("Runtime stderr:\n").at(-1) ?? text;
  return output
    .split("\n")
    .map((line) => sentenceOf(line).replace(/\s*\n\s*/g, " "))
    .filter((sentence) => sentence !== "");
}

function sentenceOf(line: string): string {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "message" in entry) return String(entry.message);
  } catch {
    // A line that is no JSON stands for itself.
  }
  return line.trim();
}
