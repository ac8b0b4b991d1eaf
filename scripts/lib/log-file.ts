/** The file that a local cloud and its Workers log to. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";

export interface LogFile {
  /** Adds a line, with the time in front. */
  readonly write: (line: string) => void;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

/**
 * Opens a log to add to; makes its folder when it is missing. A log that cannot
 * be written any more loses its lines and ends nothing.
 * @throws when it cannot be opened
 */
export async function openLogFile(file: string, now: () => number = Date.now): Promise<LogFile> {
  await mkdir(path.dirname(file), { recursive: true });
  const stream = createWriteStream(file, { flags: "a" });
  const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
  stream.once("open", () => resolve()).on("error", reject);
  await opened;
  return {
    write: (line) => void stream.write(`${new Date(now()).toISOString()} ${line}\n`),
    close: () =>
      new Promise((done) => {
        if (stream.closed) done();
        stream.once("close", () => done());
        stream.end();
      }),
  };
}
