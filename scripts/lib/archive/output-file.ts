/** A file that appears whole or not at all. */
import { access, open, rename, rm, type FileHandle } from "node:fs/promises";
import path from "node:path";
import type { Writable } from "node:stream";
import { CliError, EXIT, messageOf } from "../exit.ts";

export interface OutputFile {
  /** Bytes written so far. */
  readonly size: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Leaves no file after all, and what had the name before as it is. */
  discard(): void;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/**
 * Refuses to write over a file.
 * @throws {CliError} usage
 */
export async function refuseOverwrite(file: string, force: boolean): Promise<void> {
  if (force || !(await exists(file))) return;
  throw new CliError(EXIT.usage, `${file} exists already`, {
    hints: ["Choose another name, or say --force to write over it."],
  });
}

/**
 * Has `fill` write a file beside `file`, which then takes its name. When `fill`
 * throws, nothing is left and what had the name before still has it.
 * @throws {CliError} usage, when `file` exists and `force` is not given; failed, when it cannot be written
 */
export async function writeWhole<T>(
  file: string,
  force: boolean,
  fill: (output: OutputFile) => Promise<T>,
): Promise<T> {
  await refuseOverwrite(file, force);
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.part`);
  let handle: FileHandle;
  try {
    handle = await open(draft, "w");
  } catch (error) {
    throw new CliError(EXIT.failed, `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
  let size = 0;
  let discarded = false;
  try {
    const result = await fill({
      get size() {
        return size;
      },
      write: async (bytes) => {
        await handle.writeFile(bytes);
        size += bytes.length;
      },
      discard: () => {
        discarded = true;
      },
    });
    await handle.sync();
    await handle.close();
    if (discarded) {
      await rm(draft, { force: true });
      return result;
    }
    await refuseOverwrite(file, force);
    await rename(draft, file);
    return result;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * Has `fill` write to a stream, such as stdout, no faster than it is read.
 * @throws {CliError} failed, when whoever reads it goes away before the end
 */
export async function writeStream<T>(stream: Writable, fill: (output: OutputFile) => Promise<T>): Promise<T> {
  let size = 0;
  const { promise: gone, reject } = Promise.withResolvers<never>();
  // Told between two writes, too, where nobody waits for it yet.
  gone.catch(() => {});
  stream.on("error", reject);
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, refuse) => {
      stream.write(bytes, (error) => (error ? refuse(error) : resolve()));
    });
  try {
    return await fill({
      get size() {
        return size;
      },
      write: async (bytes) => {
        await Promise.race([write(bytes), gone]);
        size += bytes.length;
      },
      discard: () => {},
    });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
    throw new CliError(EXIT.failed, "The output was closed before everything was written", { cause: error });
  }
}
