import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { WATCHED, watchSources, type DevTarget } from "./dev-session.ts";
import { temporaryDirectory } from "./test/temporary.ts";

/** The watcher tells of saves that are closer together, in milliseconds, as of one. */
const APART_MS = 100;

/** Saves as many editors do: a new file takes the place of the old one. */
async function saveAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text);
  await rename(`${file}.tmp`, file);
}

it("every save is noticed when an editor replaces the file, and what is in no release is not", async () => {
  const root = await temporaryDirectory();
  for (const { folder } of WATCHED) await mkdir(path.join(root, folder), { recursive: true });
  const source = path.join(root, "worker", "src", "index.ts");
  await mkdir(path.dirname(source));
  await writeFile(source, "0");
  const notices: DevTarget[] = [];
  let notice = Promise.withResolvers<void>();
  const watcher = await watchSources(
    root,
    (target) => {
      notices.push(target);
      notice.resolve();
    },
    (error) => notice.reject(error),
  );
  onTestFinished(() => watcher.close());

  for (const text of ["1", "22", "333"]) {
    notice = Promise.withResolvers<void>();
    await saveAtomically(source, text);
    await notice.promise;
    await pause(APART_MS);
  }
  expect(new Set(notices)).toEqual(new Set(["hub"]));

  notice = Promise.withResolvers<void>();
  await writeFile(path.join(root, "worker", "src", "index.test.ts"), "");
  await writeFile(path.join(root, "archiver", "new.ts"), "");
  await notice.promise;
  expect(notices.at(-1)).toBe("archiver");
});
