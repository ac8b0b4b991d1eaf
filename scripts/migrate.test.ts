/** Migrations with real wrangler on a local cloud: one file at a time, and back by the bookmark. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliError, EXIT } from "./lib/exit.ts";
import { migrate, pendingMigrations, restore } from "./lib/migrations/index.ts";
import { LocalRun, runScript } from "./lib/test/local-run.ts";

const lastLine = (text: string): unknown => JSON.parse(text.trim().split("\n").at(-1) ?? "");

describe("npm run migrate -- --lint-only", () => {
  it("reads this repository's migrations, without an environment", async () => {
    const ended = await runScript("migrate", ["--lint-only", "--json"]);
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(lastLine(ended.stdout)).toMatchObject({ type: "result", findings: expect.any(Array) });
  });

  it("ends with code 1 and every finding for a file that is refused", async () => {
    const file = path.join(import.meta.dirname, "lib/migrations/test/refused.sql");
    const ended = await runScript("migrate", ["--lint-only", file]);
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain("refused.sql:1:1 drop-table (contract)");
    expect(ended.stderr).toContain("refused.sql:2:1 transaction (refused-by-d1)");
  });

  it.each([
    ["a file that is not there", ["--lint-only", "no-such.sql"]],
    ["files without --lint-only", ["--env", "local", "some.sql"]],
    ["--restore without a database", ["--env", "local", "--restore", "x"]],
    ["no environment", []],
  ])("ends with code 2 for %s", async (_, args) => {
    expect((await runScript("migrate", args)).exitCode).toBe(EXIT.usage);
  });
});

describe("on a local cloud", () => {
  let run: LocalRun;

  beforeAll(async () => {
    run = await LocalRun.start();
  });
  afterAll(async () => run.stop());

  const tables = async (): Promise<readonly unknown[]> => {
    const { api, ids } = run.context;
    const rows = await api.queryD1(
      ids.d1.hub,
      "SELECT name FROM sqlite_schema WHERE name LIKE 'try_%' ORDER BY name",
    );
    return rows.map(({ name }) => name);
  };

  it("a file that fails leaves the one before it in and itself no trace; the bookmark takes both back", async () => {
    expect((await run.script("migrate", ["--json"])).exitCode).toBe(EXIT.ok);
    const copy = await run.copyOfRepository();
    const write = (name: string, sql: string): Promise<void> =>
      writeFile(path.join(copy.root, copy.topology.d1.hub.migrations, name), sql);
    await write("9001_good.sql", "CREATE TABLE try_good (a TEXT);\n");
    // The reference is broken by a row that only the real database has.
    await run.context.api.queryD1(run.context.ids.d1.hub, "CREATE TABLE try_row (a TEXT)");
    await run.context.api.queryD1(run.context.ids.d1.hub, "INSERT INTO try_row VALUES ('twin'), ('twin')");
    await write(
      "9002_bad.sql",
      "CREATE TABLE try_half (a TEXT);\nCREATE TABLE IF NOT EXISTS try_row (a TEXT);\nCREATE UNIQUE INDEX try_row_a ON try_row (a);\n",
    );

    const error = await migrate(copy, ["hub"]).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof CliError)) throw new Error(`expected a CliError, got ${String(error)}`);
    expect(error.message).toContain("9002_bad.sql");
    expect(error.hints.join("\n")).toContain("UNIQUE constraint failed");
    expect(error.data).toMatchObject({ file: "9002_bad.sql", applied: ["9001_good.sql"], left: [] });
    expect(await tables()).toEqual(["try_good", "try_row"]);
    expect(await pendingMigrations(copy, "hub")).toEqual(["9002_bad.sql"]);

    await restore(copy, "hub", String(error.data["bookmark"]));
    expect(await tables()).toEqual(["try_row"]);
    expect(await pendingMigrations(copy, "hub")).toEqual(["9001_good.sql", "9002_bad.sql"]);
  });
});
