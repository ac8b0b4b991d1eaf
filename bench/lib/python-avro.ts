/** Python's Avro libraries, kept running so that only their work is timed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { once } from "node:events";
import path from "node:path";
import { Process } from "./process.ts";

const SCRIPT = path.join(import.meta.dirname, "python_avro.py");

/** Debian's own Python has Debian's packages, another one has pip's. */
const INTERPRETERS = ["python3", "/usr/bin/python3"];

export const PYTHON_LIBRARIES = ["fastavro", "avro"] as const;
export type PythonLibrary = (typeof PYTHON_LIBRARIES)[number];

/** An interpreter that has one of the libraries. */
export class PythonAvro implements AsyncDisposable {
  readonly library: PythonLibrary;
  /** For example `fastavro 1.13.1, Python 3.11.7`. */
  readonly version: string;
  readonly process: Process;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  private constructor(
    library: PythonLibrary,
    version: string,
    child: ChildProcessWithoutNullStreams,
    answers: AsyncIterator<string>,
  ) {
    this.library = library;
    this.version = version;
    this.process = new Process(child.pid ?? null);
    this.#child = child;
    this.#answers = answers;
  }

  /** Starts the library in the first interpreter that has it; `null` where none does. */
  static async start(library: PythonLibrary): Promise<PythonAvro | null> {
    for (const interpreter of INTERPRETERS) {
      const child = spawn(interpreter, [SCRIPT, library], { stdio: ["pipe", "pipe", "pipe"] });
      child.on("error", () => undefined);
      child.stdin.on("error", () => undefined);
      child.stderr.resume();
      const lines: Interface = createInterface({ input: child.stdout });
      const answers = lines[Symbol.asyncIterator]();
      const { value, done } = await answers.next();
      if (done !== true) return new PythonAvro(library, value, child, answers);
    }
    return null;
  }

  async #ask(question: unknown): Promise<number> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`${this.version} ended`);
    return Number(value);
  }

  /** Gives it records, which `encode` encodes from then on. */
  async load(schema: string, records: readonly unknown[]): Promise<void> {
    await this.#ask({ schema: JSON.parse(schema), records });
  }

  /** Encodes the records into a file in memory, blocks of 64 KiB, deflate 6, so many times. @returns bytes of the file */
  encode(repetitions: number): Promise<number> {
    return this.#ask({ repetitions });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}
