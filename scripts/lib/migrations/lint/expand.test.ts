/** The linter against SQLite: code written for the old schema runs on what the linter lets through. */
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refuses } from "./finding.ts";
import { lintRun } from "./lint.ts";
import { rehearse } from "./rehearse.ts";

const RUNS = 300;

const SERVED = {
  file: "0001_served.sql",
  sql: `
CREATE TABLE spots (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT, rank INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE visits (spot INTEGER NOT NULL REFERENCES spots(id) ON DELETE CASCADE, at INTEGER NOT NULL, PRIMARY KEY (spot, at));
CREATE INDEX spots_rank ON spots (rank);
CREATE UNIQUE INDEX visits_at ON visits (at);
CREATE VIEW ranked AS SELECT id, slug FROM spots WHERE rank > 0;
CREATE TABLE log (spot INTEGER, note TEXT);
CREATE TRIGGER spots_made AFTER INSERT ON spots BEGIN INSERT INTO log VALUES (new.id, 'made'); END;
`,
};

/** What the code that serves does: every table, column, key, view and trigger is used. */
const SERVING_CODE = [
  "INSERT INTO spots (slug, name) VALUES ('a', 'A'), ('b', NULL), ('c', 'C')",
  "INSERT INTO spots (slug, name, rank) VALUES ('a', 'A2', 4) ON CONFLICT (slug) DO UPDATE SET name = excluded.name, rank = excluded.rank",
  "INSERT INTO visits (spot, at) VALUES (1, 10), (1, 11), (2, 12)",
  "INSERT INTO visits (spot, at) VALUES (2, 10) ON CONFLICT (at) DO NOTHING",
  "UPDATE spots SET rank = rank + 1 WHERE slug = 'b'",
  "SELECT id, slug, name, rank FROM spots ORDER BY id",
  "SELECT spots.slug, count(*) AS n FROM visits JOIN spots ON spots.id = visits.spot GROUP BY spots.slug ORDER BY 1",
  "SELECT slug FROM ranked ORDER BY slug",
  "DELETE FROM spots WHERE slug = 'a'",
  "SELECT count(*) AS n FROM visits",
  "SELECT spot, note FROM log ORDER BY spot",
  "INSERT INTO spots (slug, name, rank) VALUES ('d', NULL, -5)",
  "SELECT id, rank FROM spots INDEXED BY spots_rank WHERE rank > -10 ORDER BY id",
];

/** What each statement answers, errors included. */
function served(database: DatabaseSync): readonly unknown[] {
  return SERVING_CODE.map((sql) => {
    try {
      return database.prepare(sql).all();
    } catch (error) {
      return String(error);
    }
  });
}

function databaseWith(...files: readonly { readonly sql: string }[]): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  for (const { sql } of files) database.exec(sql);
  return database;
}

const column = fc.constantFrom("town", "geo", "state", "noted_at");
const live = fc.constantFrom("spots", "visits", "log");
/** The trigger of `log` does not name its columns: one more would break it. */
const wide = fc.constantFrom("spots", "visits");
const fresh = fc.constantFrom("fresh_1", "fresh_2");
const constant = fc.constantFrom("0", "-1", "'live'", "''", "x'00'", "1.5", "true");

/** Steps that only add. Each may be refused by SQLite where it repeats another; the file is dropped then. */
const expanding = fc.oneof(
  fc.tuple(wide, column).map(([table, name]) => `ALTER TABLE ${table} ADD COLUMN ${name} TEXT`),
  fc
    .tuple(wide, column, constant)
    .map(([table, name, value]) => `ALTER TABLE ${table} ADD ${name} DEFAULT ${value} NOT NULL`),
  column.map((name) => `ALTER TABLE spots ADD COLUMN ${name} INTEGER AS (rank * 2)`),
  fresh.map(
    (table) => `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, a TEXT NOT NULL CHECK (a <> ''), b UNIQUE)`,
  ),
  fresh.map((table) => `CREATE TABLE ${table} (spot INTEGER REFERENCES spots (id) ON DELETE CASCADE)`),
  fresh.map((table) => `CREATE UNIQUE INDEX ${table}_a ON ${table} (a)`),
  fresh.map((table) => `INSERT INTO ${table} (a) VALUES ('one'), ('two')`),
  fresh.map((table) => `UPDATE ${table} SET b = 1`),
  fresh.map((table) => `DELETE FROM ${table}`),
  fresh.map((table) => `DROP TABLE ${table}`),
  fresh.map((table) => `ALTER TABLE ${table} RENAME TO ${table}_renamed`),
  fc.tuple(live, column).map(([table, name]) => `CREATE INDEX ${table}_${name} ON ${table} (${name})`),
  column.map((name) => `CREATE VIEW by_${name} AS SELECT id, slug FROM spots`),
  fc.constant("UPDATE spots SET name = 'x' WHERE id = 99"),
  fc.constant("DELETE FROM visits WHERE spot = 99 AND at = 1"),
);

/** Steps that take away, rename or forbid; some of them no matter to this code. */
const contracting = fc.oneof(
  live.map((table) => `DROP TABLE ${table}`),
  live.map((table) => `ALTER TABLE ${table} RENAME TO ${table}_2`),
  fc.constantFrom("name", "rank", "slug").map((name) => `ALTER TABLE spots RENAME COLUMN ${name} TO other`),
  fc.constantFrom("name", "rank").map((name) => `ALTER TABLE spots DROP COLUMN ${name}`),
  fc.constant("ALTER TABLE log DROP COLUMN note"),
  column.map((name) => `ALTER TABLE log ADD COLUMN ${name}`),
  fc.constant("DROP VIEW ranked"),
  fc.constant("DROP TRIGGER spots_made"),
  fc.constant("DROP INDEX visits_at"),
  fc
    .constantFrom("(json_extract(name, '$.a'))", "(name ->> '$.a')", "(rank) WHERE json(name) IS NOT NULL")
    .map((columns) => `CREATE INDEX computed ON spots ${columns}`),
  fc
    .constantFrom("DELETE FROM spots WHERE id = new.spot", "UPDATE spots SET rank = 7 WHERE slug <> 'a'")
    .map((body) => `CREATE TRIGGER eating AFTER INSERT ON visits BEGIN ${body}; END`),
  fc
    .constantFrom("name", "rank", "id, rank")
    .map((columns) => `CREATE UNIQUE INDEX one ON spots (${columns})`),
  fc.tuple(live, column).map(([table, name]) => `ALTER TABLE ${table} ADD COLUMN ${name} TEXT NOT NULL`),
  column.map((name) => `ALTER TABLE spots ADD COLUMN ${name} INTEGER NOT NULL AS (nullif(rank, 0))`),
  column.map((name) => `ALTER TABLE spots ADD COLUMN ${name} INTEGER CHECK (rank >= 0)`),
  fc
    .constantFrom("ABORT", "FAIL", "ROLLBACK")
    .map(
      (how) =>
        `CREATE TRIGGER refusing BEFORE INSERT ON spots WHEN new.name IS NULL BEGIN SELECT RAISE(${how}, 'no'); END`,
    ),
  fc.constant(
    "CREATE TRIGGER ignoring BEFORE INSERT ON spots WHEN new.name IS NULL BEGIN SELECT RAISE(IGNORE); END",
  ),
  fc
    .constantFrom("", ", name TEXT")
    .map(
      (more) =>
        `CREATE TABLE spots_new (id INTEGER PRIMARY KEY, slug TEXT${more}); INSERT INTO spots_new (id, slug) SELECT id, slug FROM spots; DROP TABLE spots; ALTER TABLE spots_new RENAME TO spots`,
    ),
);

const fileOf = (steps: readonly string[]) => ({
  file: "0002_next.sql",
  sql: steps.map((step) => `${step};`).join("\n--> statement-breakpoint\n"),
});

/** SQLite takes it as a migration. */
const isPossible = (file: { readonly file: string; readonly sql: string }): boolean =>
  rehearse([SERVED], [file], new Set()).length === 0;

const unmigrated = served(databaseWith(SERVED));

describe("an expand-only migration", () => {
  it("is never refused, and the serving code answers as before on what it leaves", () => {
    let tried = 0;
    fc.assert(
      fc.property(fc.array(expanding, { minLength: 1, maxLength: 6 }), (steps) => {
        const file = fileOf(steps);
        fc.pre(isPossible(file));
        tried += 1;
        expect(lintRun([SERVED], [file]).filter((finding) => refuses(finding, false))).toEqual([]);
        expect(served(databaseWith(SERVED, file))).toEqual(unmigrated);
      }),
      { numRuns: RUNS },
    );
    expect(tried).toBe(RUNS);
  });
});

describe("any migration", () => {
  it("is refused when the serving code answers otherwise on what it leaves", () => {
    let broken = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 2, arbitrary: expanding }, contracting), { minLength: 1, maxLength: 4 }),
        (steps) => {
          const file = fileOf(steps);
          fc.pre(isPossible(file));
          const answers = served(databaseWith(SERVED, file));
          if (JSON.stringify(answers) === JSON.stringify(unmigrated)) return;
          broken += 1;
          const refusing = lintRun([SERVED], [file]).filter((finding) => refuses(finding, false));
          expect(refusing).not.toEqual([]);
        },
      ),
      { numRuns: RUNS },
    );
    // Otherwise nothing was shown.
    expect(broken).toBeGreaterThan(RUNS / 10);
  });
});
