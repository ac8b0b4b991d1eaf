import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { refuses } from "./finding.ts";
import { lintMigration, lintRun, type MigrationFile } from "./lint.ts";
import { merged, rehearse } from "./rehearse.ts";

const root = path.resolve(import.meta.dirname, "../../../..");

const rules = (sql: string): readonly string[] => lintMigration(sql, "x.sql").map(({ rule }) => rule);

const file = (name: string, sql: string): MigrationFile => ({ file: name, sql });

describe("this repository's migrations", () => {
  it.each(["hub", "archive"])("of %s are all let through, one by one, in their order", async (database) => {
    const folder = path.join(root, "migrations", database);
    const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
    const files = await Promise.all(
      names.map(async (name) => file(name, await readFile(path.join(folder, name), "utf8"))),
    );
    expect(files.length).toBeGreaterThan(0);
    for (const [at, one] of files.entries()) {
      const before = files.slice(0, at);
      const findings = merged(lintRun(before, [one]), rehearse(before, [one], new Set()));
      expect(findings.filter((finding) => refuses(finding, false))).toEqual([]);
    }
  });
});

describe("a finding", () => {
  it("names the place, the statement, what happens and how to do without it", () => {
    expect(lintMigration("CREATE TABLE a (b);\n  DROP   TABLE\n  spots;", "0002_x.sql")).toEqual([
      {
        rule: "drop-table",
        severity: "contract",
        file: "0002_x.sql",
        statement: "DROP TABLE spots",
        line: 2,
        column: 3,
        message: "The serving code's queries on spots fail, and its rows are gone.",
        mend: expect.stringContaining("--allow-contract"),
        allowed: null,
      },
    ]);
  });

  it("points into the statement where the culprit is a part of it", () => {
    const [finding] = lintMigration("CREATE VIEW v AS\nSELECT load_extension('x');", "x.sql");
    expect(finding).toMatchObject({ rule: "function", line: 2, column: 8 });
  });
});

describe("a run of several files", () => {
  const make = file("0002_make.sql", "CREATE TABLE fresh (a);");
  const change = file(
    "0003_change.sql",
    "ALTER TABLE fresh RENAME TO newer; CREATE UNIQUE INDEX i ON newer (a);",
  );

  it("may change what it makes itself", () => {
    expect(lintRun([], [make, change])).toEqual([]);
  });

  it("may not change what an earlier run has made", () => {
    expect(lintRun([make], [change]).map(({ rule }) => rule)).toEqual(["rename-table", "unique-index"]);
  });
});

describe("a table rebuild", () => {
  const served = file(
    "0001.sql",
    `CREATE TABLE spots (id INTEGER PRIMARY KEY, slug TEXT, old TEXT);
     CREATE UNIQUE INDEX spots_slug ON spots (slug);
     CREATE TABLE visits (spot INTEGER REFERENCES spots (id) ON DELETE CASCADE);`,
  );
  const rebuild = (after: string): MigrationFile =>
    file(
      "0002.sql",
      `PRAGMA defer_foreign_keys = on;
       CREATE TABLE __new_spots (id INTEGER PRIMARY KEY, slug TEXT NOT NULL);
       INSERT INTO __new_spots (id, slug) SELECT id, slug FROM spots;
       DROP TABLE spots;
       ALTER TABLE __new_spots RENAME TO spots;
       ${after}`,
    );

  it("is one finding, which says what goes and what cascades", () => {
    const findings = lintRun([served], [rebuild("CREATE UNIQUE INDEX spots_slug ON spots (slug);")]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ rule: "rebuild-table", line: 2 });
    expect(findings[0]?.message).toContain("Columns that go: old.");
    expect(findings[0]?.message).toContain("Columns that become NOT NULL: slug.");
    expect(findings[0]?.message).toContain("deletes the rows of visits with it (ON DELETE CASCADE)");
  });

  it("leaves a table that serves: a new unique index on it is a finding of its own", () => {
    const findings = lintRun([served], [rebuild("CREATE UNIQUE INDEX other ON spots (id, slug);")]);
    expect(findings.map(({ rule }) => rule)).toEqual(["rebuild-table", "unique-index"]);
  });
});

describe("strata:allow", () => {
  it.each([
    ["before the statement", "-- strata:allow drop-table nobody reads it\nDROP TABLE spots;"],
    ["inside of the statement", "DROP TABLE\n-- strata:allow drop-table nobody reads it\nspots;"],
    [
      "behind it on its line",
      "DROP TABLE spots; -- strata:allow drop-table nobody reads it\nCREATE TABLE a (b);",
    ],
    [
      "behind a breakpoint",
      "CREATE TABLE a (b);--> statement-breakpoint\n-- strata:allow drop-table nobody reads it\nDROP TABLE spots;",
    ],
  ])("accepts a finding %s, with its reason", (_, sql) => {
    expect(lintMigration(sql, "x.sql")).toMatchObject([{ rule: "drop-table", allowed: "nobody reads it" }]);
  });

  it("accepts one finding, not the next one of its kind", () => {
    const findings = lintMigration(
      "-- strata:allow drop-table nobody reads it\nDROP TABLE a;\nDROP TABLE b;",
      "x.sql",
    );
    expect(findings.map(({ allowed }) => allowed)).toEqual(["nobody reads it", null]);
  });

  it("cannot accept what D1 refuses", () => {
    const findings = lintMigration("-- strata:allow transaction we like it\nBEGIN;", "x.sql");
    expect(findings.filter((finding) => refuses(finding, true))).toMatchObject([
      { rule: "transaction", allowed: null },
    ]);
  });
});

describe("what stops a run", () => {
  const refusing = (sql: string, allowContract: boolean): readonly string[] =>
    lintMigration(sql, "x.sql")
      .filter((finding) => refuses(finding, allowContract))
      .map(({ rule }) => rule);

  it("is contract, locking and what D1 refuses", () => {
    const sql = "DROP TABLE a; DELETE FROM b; VACUUM; CREATE INDEX i ON c (d);";
    expect(refusing(sql, false)).toEqual(["drop-table", "unbounded-delete", "vacuum"]);
    expect(refusing(sql, true)).toEqual(["vacuum"]);
  });
});

describe("hostile SQL", () => {
  it("nested 20,000 deep is read without a stack", () => {
    const deep = `CREATE TABLE a (b); UPDATE a SET b = ${"(".repeat(20_000)}1${")".repeat(20_000)};`;
    expect(rules(deep)).toEqual([]);
    const joined = `DELETE FROM a WHERE ${"b = 1 AND ".repeat(20_000)} c = 2;`;
    expect(rules(joined)).toEqual(["statement-too-long", "expression-too-deep", "unbounded-delete"]);
  });

  it("of 1 MB is read to its end", () => {
    const statements = Array.from(
      { length: 25_000 },
      (_, at) => `CREATE TABLE t${at} (a, b TEXT DEFAULT ';');`,
    );
    const sql = `${statements.join("\n")}\nDROP TABLE spots;`;
    expect(sql.length).toBeGreaterThan(1_000_000);
    expect(lintMigration(sql, "x.sql")).toMatchObject([{ rule: "drop-table", line: 25_001, column: 1 }]);
  });

  it("does not hide statements in comments and strings, nor make any of them", () => {
    const sql = `-- DROP TABLE a;
/* BEGIN; DROP TABLE b; */
INSERT INTO c (d) VALUES ('; DROP TABLE e; --'), ('it''s; COMMIT;');
CREATE TABLE "BEGIN; DROP TABLE f" ([;] TEXT, \`--\` TEXT);
DROP TABLE g;`;
    expect(lintMigration(sql, "x.sql")).toMatchObject([{ rule: "drop-table", statement: "DROP TABLE g" }]);
  });

  it("of a trigger keeps its BEGIN … END together", () => {
    const sql = `CREATE TABLE a (b);
CREATE TRIGGER t AFTER INSERT ON a BEGIN
  UPDATE a SET b = 'BEGIN; END;' WHERE b = new.b;
  DELETE FROM a WHERE b IN (SELECT b FROM a);
END;
DROP TABLE c;`;
    expect(lintMigration(sql, "x.sql")).toMatchObject([{ rule: "drop-table", line: 6 }]);
  });

  it.each(["'", '"', "`", "[", "x'", "/*", "CREATE", ";;;", "\0", "\uFEFF", "🦊", "$$", "CREATE TRIGGER t"])(
    "like %j is a finding at most",
    (sql) => {
      expect(Array.isArray(lintMigration(sql, "x.sql"))).toBe(true);
    },
  );

  it("that cannot be read does not hide what can", () => {
    const findings = lintMigration(
      "CREATE TABEL a (b);\nDROP TABLE c;\nDELETE FROM d LIMIT 3;\nVACUUM;",
      "x.sql",
    );
    expect(findings.map(({ rule, line }) => [rule, line])).toEqual([
      ["unreadable", 1],
      ["drop-table", 2],
      ["unreadable", 3],
      ["vacuum", 4],
    ]);
  });
});

describe("the rehearsal", () => {
  const none = new Set<string>();

  it("takes SQLite's word over the linter's on what it cannot read", () => {
    const broken = file("0001.sql", "CREATE TABEL a (b);");
    const findings = merged(lintRun([], [broken]), rehearse([], [broken], none));
    expect(findings).toMatchObject([
      { rule: "sqlite-refuses", message: 'near "TABEL": syntax error', line: 1 },
    ]);
  });

  it("names the statement that the database refuses", () => {
    const served = file("0001.sql", "CREATE TABLE a (b); CREATE VIEW v AS SELECT b FROM a;");
    const next = file("0002.sql", "ALTER TABLE a ADD c;\nALTER TABLE a DROP COLUMN b;");
    expect(rehearse([served], [next], none)).toMatchObject([
      { rule: "sqlite-refuses", line: 2, message: expect.stringContaining("no such column: b") },
    ]);
  });

  it("finds references that are broken at the end of the file", () => {
    const sql = `CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id));
PRAGMA defer_foreign_keys = on; INSERT INTO b VALUES (1);`;
    expect(rehearse([], [file("0001.sql", sql)], none)).toMatchObject([{ rule: "sqlite-refuses" }]);
  });

  it("does not run a recursion that may never end", () => {
    const sql =
      "CREATE TABLE a (b); WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) INSERT INTO a SELECT x FROM n;";
    expect(rehearse([], [file("0001.sql", sql)], none)).toEqual([]);
  });

  it("says so where it could not try a file", () => {
    const odd = file("0001.sql", "CREATE VIRTUAL TABLE a USING no_such_module(b);");
    const next = file("0002.sql", "CREATE TABLE c (d);");
    expect(rehearse([odd], [next], none)).toMatchObject([{ rule: "not-rehearsed", file: "0002.sql" }]);
  });

  it("does not run a file that D1 refuses", () => {
    const attaching = file("0001.sql", "ATTACH '/nowhere/file' AS x;");
    expect(rehearse([], [attaching], new Set(["0001.sql"]))).toEqual([]);
  });
});
