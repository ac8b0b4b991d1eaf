/** Memory and processor time of a process, as Linux counts them. Elsewhere nothing is known. */
import { readdir, readFile, writeFile } from "node:fs/promises";

const NS_OF_MS = 1e6;
const KIB = 1024;

const readOr = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");

/** Ids of this process's children that run workerd. */
export async function workerdChildren(): Promise<readonly number[]> {
  const own = await readOr(`/proc/${process.pid}/task/${process.pid}/children`);
  const named = await Promise.all(
    own.split(" ").map(async (pid) => ({ pid: Number(pid), name: await readOr(`/proc/${pid}/comm`) })),
  );
  return named.filter(({ name }) => name.trim() === "workerd").map(({ pid }) => pid);
}

/** A process by its id. */
export class Process {
  readonly #pid: number | null;

  constructor(pid: number | null) {
    this.#pid = pid;
  }

  /** Resident memory now, and its highest value since `resetPeak`, in bytes; `null` where it is not known. */
  async memory(): Promise<{ readonly now: number; readonly peak: number } | null> {
    const status = await readOr(`/proc/${this.#pid}/status`);
    const field = (name: string): number =>
      KIB * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
    const [now, peak] = [field("VmRSS"), field("VmHWM")];
    return Number.isNaN(now) || Number.isNaN(peak) ? null : { now, peak };
  }

  /** Lets the highest value count from now. */
  async resetPeak(): Promise<void> {
    await writeFile(`/proc/${this.#pid}/clear_refs`, "5").catch(() => undefined);
  }

  /**
   * Does some work. @returns how far resident memory rose above where it stood before,
   * at the highest, as the kernel notes it; `null` where it is not known
   */
  async growthOf<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly growth: number | null }> {
    await this.resetPeak();
    const before = await this.memory();
    const result = await work();
    const after = await this.memory();
    return { result, growth: before === null || after === null ? null : after.peak - before.now };
  }

  /** Processor time that its threads have used so far, ms; `null` where it is not known. */
  async processorTime(): Promise<number | null> {
    const tasks = `/proc/${this.#pid}/task`;
    const threads = await readdir(tasks).catch(() => []);
    const stats = await Promise.all(threads.map((thread) => readOr(`${tasks}/${thread}/schedstat`)));
    if (stats.every((stat) => stat === "")) return null;
    return stats.reduce((sum, stat) => sum + Number(stat.split(" ")[0]), 0) / NS_OF_MS;
  }
}
