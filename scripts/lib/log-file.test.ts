import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { openLogFile } from "./log-file.ts";
import { temporaryDirectory } from "./test/temporary.ts";

it("a log is made with its folder, keeps what it held, and says when each line came", async () => {
  const file = path.join(await temporaryDirectory(), "local", "cloud.log");
  for (const line of ["hub: one", "hub: two"]) {
    const log = await openLogFile(file, () => Date.UTC(2026, 10, 22));
    log.write(line);
    await log.close();
  }
  expect(await readFile(file, "utf8")).toBe(
    "2026-11-22T00:00:00.000Z hub: one\n2026-11-22T00:00:00.000Z hub: two\n",
  );
});

it("a log that cannot be opened says so", async () => {
  await expect(openLogFile(await temporaryDirectory())).rejects.toThrow("EISDIR");
});
