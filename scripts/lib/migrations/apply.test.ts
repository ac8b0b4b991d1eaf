import { describe, expect, it } from "vitest";
import { BookmarkUnavailable } from "../cloudflare-api.ts";
import { CliError, EXIT } from "../exit.ts";
import { applyMigrations, migrate } from "./apply.ts";
import { journalFile, readJournal, restore } from "./bookmark.ts";
import { safetyOfApplied } from "./check.ts";
import { rollbackSafety } from "./report.ts";
import { bench, NOW, type Bench } from "./test/context.ts";
import { appendFile } from "node:fs/promises";

const MAKE = "CREATE TABLE spots (id INTEGER PRIMARY KEY, name TEXT);";

async function failure(work: Promise<unknown>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CliError) return error;
  throw new Error(`expected a CliError, got ${String(error)}`);
}

/** A database that served a first release, and a second file that fails on its rows only. */
async function failingSecond(): Promise<Bench> {
  const made = await bench();
  await made.file("hub", "0001_make.sql", MAKE);
  await applyMigrations(made.context, "hub");
  made.databases.of(made.context.ids.d1.hub).execute("INSERT INTO spots (name) VALUES ('twin'), ('twin')");
  await made.file("hub", "0002_good.sql", "CREATE TABLE notes (a TEXT);");
  await made.file(
    "hub",
    "0003_bad.sql",
    "CREATE TABLE more (a TEXT);\n-- strata:allow unique-index names are unique since r-1\nCREATE UNIQUE INDEX i ON spots (name);",
  );
  await made.file("hub", "0004_later.sql", "CREATE TABLE later (a TEXT);");
  return made;
}

describe("applying", () => {
  it("gives wrangler one file at a time, in order, and reports what went in", async () => {
    const { context, databases, file, tables } = await bench();
    await file("hub", "0010_c.sql", "CREATE TABLE c (a);");
    await file("hub", "0002_b.sql", "CREATE TABLE b (a);");
    await file("hub", "README.md", "not a migration");
    const given: (readonly string[])[] = [];
    databases.onApply = (moment, files) => {
      if (moment === "before") given.push(files);
    };
    expect(await applyMigrations(context, "hub")).toEqual({
      database: "hub",
      files: ["0002_b.sql", "0010_c.sql"],
      bookmark: "00000000-bookmark",
      contract: false,
    });
    expect(given).toEqual([["0002_b.sql"], ["0010_c.sql"]]);
    expect(tables("hub")).toEqual(["b", "c"]);
    expect(await applyMigrations(context, "hub")).toEqual({
      database: "hub",
      files: [],
      bookmark: null,
      contract: false,
    });
  });

  it("leaves the files before a failing one in, and names it, those, those behind it and the way back", async () => {
    const { context, tables } = await failingSecond();
    const error = await failure(applyMigrations(context, "hub"));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("0003_bad.sql");
    expect(error.hints.join("\n")).toContain("UNIQUE constraint failed: spots.name");
    expect(error.hints).toContain("Applied before it: 0002_good.sql");
    expect(error.hints).toContain("Not applied: 0004_later.sql");
    expect(error.data).toMatchObject({
      file: "0003_bad.sql",
      applied: ["0002_good.sql"],
      left: ["0004_later.sql"],
    });
    expect(error.hints.join("\n")).toContain(`--restore ${String(error.data["bookmark"])}`);
    expect(tables("hub")).toEqual(["notes", "spots"]);
  });

  it("is taken back by the bookmark, rows included, and can then be done again", async () => {
    const { context, tables, databases, file } = await failingSecond();
    const { data } = await failure(applyMigrations(context, "hub"));
    databases.of(context.ids.d1.hub).execute("INSERT INTO spots (name) VALUES ('later')");
    const undo = await restore(context, "hub", String(data["bookmark"]));
    expect(tables("hub")).toEqual(["spots"]);
    const count = () => databases.of(context.ids.d1.hub).query("SELECT count(*) AS n FROM spots");
    expect(count()).toEqual([{ n: 2 }]);
    expect(undo).not.toBeNull();
    await file("hub", "0003_bad.sql", "CREATE TABLE more (a TEXT);");
    expect((await applyMigrations(context, "hub")).files).toEqual([
      "0002_good.sql",
      "0003_bad.sql",
      "0004_later.sql",
    ]);
  });

  it("stops between two files when it is asked to", async () => {
    const { context, databases, file, stop, tables } = await bench();
    await file("hub", "0001_a.sql", "CREATE TABLE a (x);");
    await file("hub", "0002_b.sql", "CREATE TABLE b (x);");
    databases.onApply = (moment) => {
      if (moment === "after") stop.abort(new CliError(EXIT.cancelled, "Stopped before the end"));
    };
    const error = await failure(applyMigrations(context, "hub"));
    expect(error.exitCode).toBe(EXIT.cancelled);
    expect(error.message).toContain("Stopped before 0002_b.sql");
    expect(error.hints).toContain("Applied before it: 0001_a.sql");
    expect(tables("hub")).toEqual(["a"]);
  });

  it("goes on when wrangler fails after the file is in", async () => {
    const { context, databases, file } = await bench();
    await file("hub", "0001_a.sql", "CREATE TABLE a (x);");
    databases.onApply = (moment) => {
      if (moment === "after") throw new Error("the connection was cut");
    };
    expect((await applyMigrations(context, "hub")).files).toEqual(["0001_a.sql"]);
  });

  it("does not believe wrangler that a file is in", async () => {
    const { context, databases, file } = await bench();
    await file("hub", "0001_a.sql", "CREATE TABLE a (x);");
    databases.wranglerSleeps = true;
    const error = await failure(applyMigrations(context, "hub"));
    expect(error.message).toContain("0001_a.sql");
  });
});

describe("the linter before it", () => {
  it("names every fault of every file of every database, and nothing is applied", async () => {
    const { context, file, tables, events } = await bench();
    await file("hub", "0001_a.sql", "CREATE TABLE a (x);");
    await file("hub", "0002_b.sql", "BEGIN;\nCREATE TABLE b (x);");
    await file("archive", "0001_c.sql", "DROP TABLE c;\nVACUUM;");
    const error = await failure(migrate(context, ["hub", "archive"]));
    expect(error.message).toContain("0002_b.sql, 0001_c.sql");
    const text = error.hints.join("\n");
    expect(text).toContain("migrations/hub/0002_b.sql:1:1 transaction");
    expect(text).toContain("migrations/archive/0001_c.sql:1:1 drop-table");
    expect(text).toContain("migrations/archive/0001_c.sql:2:1 vacuum");
    expect(tables("hub")).toEqual([]);
    expect(events.filter(({ type }) => type === "step")).toEqual([]);
  });

  it("lets a contract change through with --allow-contract, and reports it as one", async () => {
    const { context, file } = await bench();
    await file("hub", "0001_make.sql", MAKE);
    await applyMigrations(context, "hub");
    await file("hub", "0002_drop.sql", "DROP TABLE spots;");
    const refused = await failure(applyMigrations(context, "hub"));
    expect(refused.hints.join("\n")).toContain("--allow-contract");
    const report = await applyMigrations(context, "hub", { allowContract: true });
    expect(report).toMatchObject({ files: ["0002_drop.sql"], contract: true });
    expect(rollbackSafety([report])).toEqual({
      safe: false,
      why: expect.stringContaining("hub (0002_drop.sql)"),
    });
  });

  it("lets nothing through that D1 refuses", async () => {
    const { context, file } = await bench();
    await file("hub", "0001_a.sql", "VACUUM;");
    const error = await failure(applyMigrations(context, "hub", { allowContract: true }));
    expect(error.hints.join("\n")).not.toContain("--allow-contract");
  });

  it("tells what it lets through", async () => {
    const { context, file, notes } = await bench();
    await file("hub", "0001_make.sql", MAKE);
    await migrate(context, ["hub"]);
    await file(
      "hub",
      "0002_more.sql",
      "CREATE INDEX i ON spots (name);\n-- strata:allow unbounded-update twelve rows\nUPDATE spots SET name = '';",
    );
    await migrate(context, ["hub"]);
    const told = notes().join("\n");
    expect(told).toContain("0002_more.sql:1:1 create-index");
    expect(told).toContain("0002_more.sql:3:1 unbounded-update is accepted: twelve rows");
  });

  it("counts an accepted contract change as one", async () => {
    const { context, file } = await bench();
    await file("hub", "0001_make.sql", MAKE);
    await applyMigrations(context, "hub");
    await file("hub", "0002_drop.sql", "DROP TABLE spots; -- strata:allow drop-table unread since r-7");
    expect(await applyMigrations(context, "hub")).toMatchObject({ contract: true });
  });
});

describe("the bookmark", () => {
  it("is taken before the first file, told with the way back, and kept in the journal", async () => {
    const { context, file, notes } = await bench({ environment: "staging" });
    await file("hub", "0001_make.sql", MAKE);
    const { bookmark } = await applyMigrations(context, "hub");
    expect(notes().join("\n")).toContain(
      `npx wrangler d1 time-travel restore ${context.topology.d1.hub.name} --bookmark=${String(bookmark)} --config .wrangler/deploy/local/`,
    );
    const line = { at: NOW, environment: "staging", database: "hub", bookmark, files: ["0001_make.sql"] };
    await appendFile(journalFile(context), '{"torn":');
    expect(await readJournal(context)).toEqual([
      { ...line, event: "began" },
      { ...line, event: "ended" },
    ]);
  });

  it("says in the journal what is in when a file fails", async () => {
    const { context } = await failingSecond();
    await failure(applyMigrations(context, "hub"));
    expect((await readJournal(context)).at(-1)).toMatchObject({ event: "ended", files: ["0002_good.sql"] });
  });

  it("that the account does not give is a warning, with what is left: the time", async () => {
    const { context, databases, file, notes } = await bench({ environment: "staging" });
    await file("hub", "0001_make.sql", MAKE);
    databases.noBookmarks = new BookmarkUnavailable("not available for alpha databases");
    expect(await applyMigrations(context, "hub")).toMatchObject({ files: ["0001_make.sql"], bookmark: null });
    expect(notes().join("\n")).toMatch(
      /Warning: there is no Time Travel bookmark .*alpha databases.*--timestamp=2026-11-22T07:00:00\.000Z/,
    );
  });

  it("that the account does not give ends the run with --require-bookmark, before anything is applied", async () => {
    const { context, databases, file, tables } = await bench();
    await file("hub", "0001_make.sql", MAKE);
    databases.noBookmarks = new BookmarkUnavailable("not available");
    const error = await failure(applyMigrations(context, "hub", { requireBookmark: true }));
    expect(error.message).toContain("not available");
    expect(tables("hub")).toEqual([]);
  });

  it("is not gone without when the API cannot be reached", async () => {
    const { context, databases, file, tables } = await bench();
    await file("hub", "0001_make.sql", MAKE);
    databases.noBookmarks = new CliError(EXIT.failed, "Cloudflare's API cannot be reached");
    expect((await failure(applyMigrations(context, "hub"))).message).toContain("cannot be reached");
    expect(tables("hub")).toEqual([]);
  });
});

describe("whether an older version works on the schema", () => {
  it("is so after expanding files, and is not after a contract one", () => {
    const report = { database: "hub", bookmark: null, contract: false } as const;
    expect(rollbackSafety([{ ...report, files: [] }])).toEqual({ safe: true, newerSchema: false });
    expect(rollbackSafety([{ ...report, files: ["0002.sql"] }])).toEqual({ safe: true, newerSchema: true });
    expect(rollbackSafety([{ ...report, files: ["0002.sql"], contract: true }]).safe).toBe(false);
    expect(rollbackSafety([])).toEqual({ safe: true, newerSchema: false });
  });

  /** A database in which files were applied a minute and an hour ago. */
  async function history(second: string): Promise<Bench> {
    const made = await bench();
    await made.file("hub", "0001_make.sql", MAKE);
    await made.file("hub", "0002_next.sql", second);
    await applyMigrations(made.context, "hub", { allowContract: true });
    const database = made.databases.of(made.context.ids.d1.hub);
    database.execute("UPDATE d1_migrations SET applied_at = '2026-11-22 06:00:00' WHERE name LIKE '0001%'");
    database.execute("UPDATE d1_migrations SET applied_at = '2026-11-22 06:59:00' WHERE name LIKE '0002%'");
    return made;
  }

  it("is read from what was applied since it was uploaded, in whichever run", async () => {
    const { context } = await history("ALTER TABLE spots RENAME TO places;");
    expect(await safetyOfApplied(context, "2026-11-22T06:30:00Z")).toEqual({
      safe: false,
      why: expect.stringContaining("hub (0002_next.sql)"),
    });
    expect(await safetyOfApplied(context, "2026-11-22T06:59:30Z")).toEqual({
      safe: true,
      newerSchema: false,
    });
    // Before both there was no table that a version could have missed.
    expect(await safetyOfApplied(context, "2026-11-22T05:00:00Z")).toEqual({ safe: true, newerSchema: true });
  });

  it("is so after a file that only adds", async () => {
    const { context } = await history("ALTER TABLE spots ADD COLUMN town TEXT;");
    expect(await safetyOfApplied(context, "2026-11-22T06:30:00Z")).toEqual({ safe: true, newerSchema: true });
  });

  it("is denied where a file that was applied since is not here to be read", async () => {
    const { context, file } = await history("ALTER TABLE spots ADD COLUMN town TEXT;");
    await file("hub", "0002_next.sql", null);
    expect(await safetyOfApplied(context, "2026-11-22T06:30:00Z")).toEqual({
      safe: false,
      why: expect.stringContaining("0002_next.sql"),
    });
  });

  it("counts a file of the very second of the upload: the database knows whole seconds only", async () => {
    const { context } = await history("ALTER TABLE spots RENAME TO places;");
    expect((await safetyOfApplied(context, "2026-11-22T06:59:00.900Z")).safe).toBe(false);
  });
});
