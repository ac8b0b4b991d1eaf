/** Each rule: SQL that has the finding, and SQL beside it that has not. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { RULES, type RuleId } from "./finding.ts";
import { lintFile, servedSchema } from "./lint.ts";
import { merged, rehearse } from "./rehearse.ts";

/** What serves: every file of the table meets it. */
const SERVED = {
  file: "0001_served.sql",
  sql: `
    CREATE TABLE spots (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT, rank INTEGER);
    CREATE TABLE visits (spot INTEGER REFERENCES spots(id) ON DELETE CASCADE, at INTEGER, PRIMARY KEY (spot, at));
    CREATE INDEX spots_rank ON spots (rank);
    CREATE UNIQUE INDEX spots_name ON spots (name);
    CREATE INDEX spots_lower ON spots (lower(name));
    CREATE VIEW ranked AS SELECT id FROM spots WHERE rank > 0;
    CREATE TABLE log (note TEXT);
    CREATE TRIGGER spots_gone AFTER DELETE ON spots BEGIN INSERT INTO log VALUES (old.slug); END;
  `,
};

const columns = (count: number): string => Array.from({ length: count }, (_, at) => `c${at}`).join(", ");

type Cases = Readonly<
  Record<RuleId, { readonly has: readonly string[]; readonly has_not: readonly string[] }>
>;

const CASES: Cases = {
  transaction: {
    has: ["BEGIN;", "BEGIN IMMEDIATE;", "COMMIT;", "END;", "ROLLBACK;", "SAVEPOINT s;", "RELEASE s;"],
    has_not: [
      "INSERT INTO spots (slug) VALUES ('BEGIN; COMMIT;');",
      "-- BEGIN; SAVEPOINT\nCREATE TABLE begin_at (a);",
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN SELECT 1; END;",
    ],
  },
  attach: { has: ["ATTACH ':memory:' AS x;", "DETACH x;"], has_not: ["CREATE TABLE attach (a);"] },
  vacuum: { has: ["VACUUM;", "VACUUM INTO 'copy';"], has_not: ["ANALYZE;"] },
  "temp-object": {
    has: [
      "CREATE TEMP TABLE a (b);",
      "CREATE TABLE temp.a (b);",
      "CREATE TEMPORARY VIEW v AS SELECT 1;",
      "CREATE TEMP TRIGGER t AFTER INSERT ON spots BEGIN SELECT 1; END;",
    ],
    has_not: ["CREATE TABLE main.temporary (b);"],
  },
  pragma: {
    has: ["PRAGMA user_version = 3;", "PRAGMA journal_mode = WAL;", "SELECT * FROM pragma_user_version;"],
    has_not: [
      "PRAGMA defer_foreign_keys = on;",
      "PRAGMA optimize;",
      "SELECT * FROM pragma_table_info('spots');",
    ],
  },
  function: {
    has: ["SELECT load_extension('x');", "CREATE VIEW v AS SELECT sqlite_version();"],
    has_not: ["SELECT 'load_extension(x)';", "SELECT unixepoch();"],
  },
  "virtual-table": {
    has: ["CREATE VIRTUAL TABLE f USING fts4(a);", "CREATE VIRTUAL TABLE f USING csv(filename = 'x');"],
    has_not: ["CREATE VIRTUAL TABLE f USING fts5(a);", "CREATE VIRTUAL TABLE f USING rtree(id, a, b);"],
  },
  "reserved-name": {
    has: ["CREATE TABLE _cf_x (a);", "CREATE INDEX sqlite_i ON spots (name);"],
    has_not: ["CREATE TABLE cf_x (a);"],
  },
  "alter-constraint": {
    has: [
      "ALTER TABLE spots ALTER COLUMN name SET NOT NULL;",
      "ALTER TABLE spots ALTER COLUMN slug DROP NOT NULL;",
      "ALTER TABLE spots ADD CONSTRAINT c CHECK (rank > 0);",
      "ALTER TABLE spots DROP CONSTRAINT c;",
    ],
    has_not: ["ALTER TABLE spots ADD COLUMN town TEXT;"],
  },
  "add-column-refused": {
    has: [
      "ALTER TABLE spots ADD COLUMN a INTEGER PRIMARY KEY;",
      "ALTER TABLE spots ADD COLUMN a TEXT UNIQUE;",
      "ALTER TABLE spots ADD COLUMN a TEXT DEFAULT CURRENT_TIMESTAMP;",
      "ALTER TABLE spots ADD COLUMN a INTEGER DEFAULT (unixepoch());",
      "ALTER TABLE spots ADD COLUMN a INTEGER AS (rank + 1) STORED;",
      "ALTER TABLE visits ADD COLUMN a INTEGER DEFAULT 3 REFERENCES spots (id);",
    ],
    has_not: [
      "ALTER TABLE spots ADD COLUMN a TEXT DEFAULT 'x' NOT NULL;",
      "ALTER TABLE spots ADD COLUMN a INTEGER DEFAULT -1;",
      "ALTER TABLE spots ADD COLUMN a INTEGER DEFAULT (0);",
      "ALTER TABLE spots ADD COLUMN a INTEGER AS (rank + 1);",
      "CREATE TABLE fresh (a); ALTER TABLE fresh ADD COLUMN b TEXT DEFAULT CURRENT_TIMESTAMP;",
    ],
  },
  "bound-parameter": {
    has: ["DELETE FROM spots WHERE id = ?;", "UPDATE spots SET name = :name WHERE id = 1;"],
    has_not: ["DELETE FROM spots WHERE slug = '?';"],
  },
  "statement-too-long": {
    has: [`INSERT INTO spots (slug) VALUES ('${"x".repeat(100_000)}');`],
    has_not: [
      `INSERT INTO spots (slug) VALUES ('${"x".repeat(60_000)}');INSERT INTO spots (slug) VALUES ('${"y".repeat(60_000)}');`,
    ],
  },
  "too-many-columns": {
    has: [
      `CREATE TABLE wide (${columns(101)});`,
      `CREATE TABLE wide (${columns(100)}); ALTER TABLE wide ADD COLUMN last;`,
    ],
    has_not: [`CREATE TABLE wide (${columns(100)});`],
  },
  "expression-too-deep": {
    has: [`UPDATE spots SET rank = ${"1 + ".repeat(101)}1 WHERE id = 1;`],
    has_not: [
      `UPDATE spots SET rank = ${"1 + ".repeat(99)}1 WHERE id = 1;`,
      `UPDATE spots SET rank = ${"(".repeat(500)}1${")".repeat(500)} WHERE id = 1;`,
    ],
  },
  "pattern-too-long": {
    has: [`CREATE VIEW v AS SELECT id FROM spots WHERE name LIKE '${"x".repeat(51)}';`],
    has_not: [`CREATE VIEW v AS SELECT id FROM spots WHERE name LIKE '${"x".repeat(50)}';`],
  },
  "unfinished-file": {
    has: ["CREATE TABLE fresh (a)", "CREATE TABLE fresh (a); /* to be", "CREATE TABLE fresh (a) -- ;"],
    has_not: ["CREATE TABLE fresh (a); -- done", "CREATE TABLE fresh (a);\n/* done */", "-- nothing"],
  },
  "sqlite-refuses": {
    has: [
      "CREATE TABEL fresh (a);",
      "ALTER TABLE nowhere ADD COLUMN a;",
      "CREATE TABLE spots (a);",
      "ALTER TABLE spots DROP COLUMN rank;",
      "INSERT INTO spots (slug) VALUES (NULL);",
      "PRAGMA defer_foreign_keys = on; INSERT INTO visits VALUES (7, 7);",
    ],
    has_not: ["CREATE TABLE fresh (a);", 'INSERT INTO spots (slug) VALUES ("double quoted");'],
  },
  unreadable: {
    has: ["CREATE TABEL fresh (a);", "DELETE FROM spots ORDER BY id LIMIT 3;"],
    has_not: [
      "DELETE FROM spots WHERE id IN (SELECT id FROM spots LIMIT 3);",
      "\uFEFFCREATE TABLE fresh (a);",
    ],
  },
  "drop-table": {
    has: ["DROP TABLE spots;", "DROP TABLE IF EXISTS SPOTS;", 'DROP TABLE "spots";'],
    has_not: ["CREATE TABLE fresh (a); DROP TABLE fresh;", "DROP TABLE IF EXISTS never_made;"],
  },
  "drop-column": {
    has: ["ALTER TABLE spots DROP COLUMN name;", "ALTER TABLE `spots` DROP `name`;"],
    has_not: ["CREATE TABLE fresh (a, b); ALTER TABLE fresh DROP COLUMN b;"],
  },
  "drop-view": {
    has: ["DROP VIEW ranked;"],
    has_not: ["CREATE VIEW v AS SELECT 1; DROP VIEW v;", "DROP VIEW IF EXISTS v;"],
  },
  "drop-trigger": {
    has: ["DROP TRIGGER spots_gone;"],
    has_not: [
      "DROP TRIGGER IF EXISTS never_made;",
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN SELECT 1; END; DROP TRIGGER t;",
    ],
  },
  "drop-unique-index": { has: ["DROP INDEX spots_name;"], has_not: ["DROP INDEX spots_rank;"] },
  "rename-table": {
    has: ["ALTER TABLE spots RENAME TO places;"],
    has_not: ["CREATE TABLE fresh (a); ALTER TABLE fresh RENAME TO newer;"],
  },
  "rename-column": {
    has: ["ALTER TABLE spots RENAME COLUMN name TO title;", "ALTER TABLE spots RENAME name TO title;"],
    has_not: ["CREATE TABLE fresh (a); ALTER TABLE fresh RENAME a TO b;"],
  },
  "rebuild-table": {
    has: [
      "CREATE TABLE spots_new (id INTEGER PRIMARY KEY, slug TEXT); INSERT INTO spots_new SELECT id, slug FROM spots; DROP TABLE spots; ALTER TABLE spots_new RENAME TO spots;",
      "ALTER TABLE spots RENAME TO spots_old; CREATE TABLE spots (id INTEGER PRIMARY KEY, slug TEXT); INSERT INTO spots SELECT id, slug FROM spots_old; DROP TABLE spots_old;",
    ],
    has_not: [
      "CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a SELECT x FROM b; DROP TABLE b;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM spots LIMIT 10;",
    ],
  },
  "unique-index": {
    has: ["CREATE UNIQUE INDEX i ON spots (rank);"],
    has_not: [
      "CREATE TABLE fresh (a); CREATE UNIQUE INDEX i ON fresh (a);",
      "CREATE INDEX i ON spots (rank);",
    ],
  },
  "expression-index": {
    has: [
      "CREATE INDEX i ON spots (json_extract(name, '$.a'));",
      "CREATE INDEX i ON spots (name ->> '$.a');",
      "CREATE INDEX i ON spots (rank) WHERE json_valid(name);",
      "CREATE UNIQUE INDEX i ON spots (lower(slug));",
      "DROP INDEX spots_lower; CREATE INDEX spots_lower ON spots (json_extract(name, '$.a'));",
    ],
    has_not: [
      "CREATE INDEX i ON spots (rank + id, name COLLATE NOCASE) WHERE name IS NOT NULL;",
      "CREATE TABLE fresh (a); CREATE INDEX i ON fresh (json_extract(a, '$.a'));",
    ],
  },
  "add-column-generated": {
    has: [
      "ALTER TABLE spots ADD COLUMN a TEXT GENERATED ALWAYS AS (json_extract(name, '$.a')) VIRTUAL;",
      "ALTER TABLE spots ADD COLUMN a AS (1 + abs(rank));",
      "ALTER TABLE spots ADD COLUMN a AS (name -> '$.a');",
    ],
    has_not: [
      "ALTER TABLE spots ADD COLUMN a INTEGER GENERATED ALWAYS AS (rank + 1) VIRTUAL;",
      "CREATE TABLE fresh (a); ALTER TABLE fresh ADD COLUMN b AS (json_extract(a, '$.a'));",
    ],
  },
  "add-column-not-null": {
    has: [
      "ALTER TABLE spots ADD COLUMN a TEXT NOT NULL;",
      "ALTER TABLE spots ADD COLUMN a TEXT NOT NULL DEFAULT NULL;",
      "ALTER TABLE spots ADD COLUMN a INTEGER NOT NULL AS (rank + 1);",
    ],
    has_not: [
      "ALTER TABLE spots ADD COLUMN a TEXT NOT NULL DEFAULT '';",
      "ALTER TABLE spots ADD COLUMN a TEXT;",
    ],
  },
  "add-column-check": {
    has: ["ALTER TABLE spots ADD COLUMN a INTEGER CHECK (a > rank);"],
    has_not: ["CREATE TABLE fresh (a CHECK (a > 0)); ALTER TABLE fresh ADD COLUMN b CHECK (b > 0);"],
  },
  "add-column-foreign-key": {
    has: ["ALTER TABLE visits ADD COLUMN other INTEGER REFERENCES spots (id);"],
    has_not: [
      "CREATE TABLE towns (id INTEGER PRIMARY KEY); ALTER TABLE spots ADD COLUMN town REFERENCES towns (id);",
    ],
  },
  "add-column-trigger": {
    has: ["ALTER TABLE log ADD COLUMN a;"],
    has_not: ["ALTER TABLE log ADD COLUMN a AS (note);", "ALTER TABLE spots ADD COLUMN a;"],
  },
  "replace-rows": {
    has: [
      "REPLACE INTO spots (id, slug) VALUES (1, 'a');",
      "INSERT OR REPLACE INTO spots (id, slug) VALUES (1, 'a');",
      "UPDATE OR REPLACE spots SET slug = 'a' WHERE id = 1;",
    ],
    has_not: [
      "INSERT INTO spots (id, slug) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET slug = excluded.slug;",
      "CREATE TABLE fresh (a PRIMARY KEY); REPLACE INTO fresh VALUES (1);",
      "UPDATE spots SET name = replace(name, 'a', 'b') WHERE id = 1;",
    ],
  },
  "raising-trigger": {
    has: ["CREATE TRIGGER t BEFORE INSERT ON spots BEGIN SELECT RAISE(ABORT, 'no') WHERE new.rank < 0; END;"],
    has_not: ["CREATE TRIGGER t AFTER INSERT ON spots BEGIN SELECT 1; END;"],
  },
  "writing-trigger": {
    has: [
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN DELETE FROM spots; END;",
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN UPDATE spots SET name = 'x' WHERE id = new.a; END;",
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN INSERT OR REPLACE INTO spots (slug) VALUES (new.a); END;",
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN DELETE FROM visits WHERE spot = new.id; END;",
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN UPDATE spots SET rank = 0 WHERE rank = new.rank; END;",
      "CREATE TRIGGER t INSTEAD OF DELETE ON ranked BEGIN DELETE FROM spots WHERE id = old.id; END;",
    ],
    has_not: [
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN INSERT INTO spots (slug) VALUES (new.a); END;",
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN DELETE FROM fresh WHERE a < new.a; END;",
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER DELETE ON spots BEGIN DELETE FROM fresh WHERE a = old.id; END;",
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN UPDATE spots SET rank = 0 WHERE id = new.id; END;",
    ],
  },
  "migrations-table": {
    has: ["DELETE FROM d1_migrations WHERE id = 1;", "INSERT INTO d1_migrations (name) VALUES ('x');"],
    has_not: ["DELETE FROM spots WHERE id = 1;"],
  },
  "unbounded-update": {
    has: [
      "UPDATE spots SET rank = 0;",
      "UPDATE spots SET rank = 0 WHERE 1;",
      "UPDATE spots SET rank = 0 WHERE rank IS NULL;",
      "UPDATE spots SET rank = 0 WHERE rank = 1;",
      "UPDATE spots SET rank = 0 WHERE id > 5;",
      "UPDATE spots SET rank = 0 WHERE id = 1 OR rank = 2;",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT spot FROM visits);",
      "UPDATE visits SET at = 1 WHERE spot = 1;",
      "UPDATE spots SET rank = 0 WHERE id >= 0 AND id <= 9223372036854775807;",
      "UPDATE spots SET rank = 0 WHERE id BETWEEN -1 AND 10000;",
      "UPDATE spots SET rank = 0 WHERE id BETWEEN 0 AND 1e9;",
      "UPDATE spots SET rank = 0 WHERE id BETWEEN 0 AND abs(-9999999);",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT id FROM spots LIMIT 10001);",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT id FROM spots LIMIT 100 * 1000);",
      "UPDATE spots SET rank = v.at FROM visits v WHERE v.rowid = 1;",
    ],
    has_not: [
      "UPDATE spots SET rank = 0 WHERE id = 1;",
      "UPDATE spots SET rank = 0 WHERE (2 = spots.id AND rank = 1);",
      "UPDATE spots SET rank = 0 WHERE slug IN ('a', 'b');",
      "UPDATE spots SET rank = 0 WHERE rowid BETWEEN 1 AND 1000;",
      "UPDATE spots SET rank = 0 WHERE id >= 1 AND id < 1000;",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT id FROM spots WHERE rank IS NULL LIMIT 1000);",
      "UPDATE visits SET at = 2 WHERE at = 1 AND spot = 1;",
      "UPDATE spots SET rank = 0 WHERE id BETWEEN -5000 AND +5_000;",
      "UPDATE spots SET rank = 0 WHERE 10000 >= id AND 0 <= id;",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT id FROM spots LIMIT 10000);",
      "UPDATE spots SET rank = 0 WHERE id IN (SELECT id FROM spots LIMIT 0);",
      "UPDATE spots AS s SET rank = 0 WHERE s.id = 1;",
      "CREATE TABLE fresh (a); UPDATE fresh SET a = 1;",
    ],
  },
  "unbounded-delete": {
    has: [
      "DELETE FROM spots;",
      "DELETE FROM spots WHERE rank < 0;",
      "DELETE FROM spots WHERE id BETWEEN 0 AND 9999999999;",
      "DELETE FROM spots WHERE id IN (SELECT id FROM spots LIMIT -1);",
    ],
    has_not: [
      "DELETE FROM spots WHERE slug = 'a';",
      "DELETE FROM spots WHERE id BETWEEN 9999990000 AND 9999999999;",
      "CREATE TABLE fresh (a); DELETE FROM fresh;",
    ],
  },
  "insert-select": {
    has: [
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM spots;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT 1 UNION ALL SELECT id FROM spots;",
      "CREATE TABLE fresh (a); WITH s AS (SELECT id FROM spots) INSERT INTO fresh SELECT id FROM spots;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM (SELECT id FROM spots);",
      "CREATE TABLE fresh AS SELECT * FROM spots;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM spots LIMIT 100000000;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT count(*) FROM spots LIMIT 1;",
    ],
    has_not: [
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM spots WHERE id = 3;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT id FROM spots LIMIT 1000;",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT EXISTS (SELECT 1 FROM spots);",
      "CREATE TABLE fresh (a); INSERT INTO fresh SELECT value FROM json_each('[1,2]');",
      "CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a SELECT x FROM b;",
    ],
  },
  "unbounded-subquery": {
    has: [
      "UPDATE spots SET name = (SELECT count(*) FROM spots a, spots b) WHERE id = 1;",
      "UPDATE spots SET name = (SELECT count(*) FROM spots a, spots b LIMIT 1) WHERE id = 1;",
      "UPDATE spots SET name = 1 + (SELECT max(at) FROM visits) WHERE id = 1;",
      "UPDATE spots SET name = (SELECT v.at FROM visits v WHERE spots.id = 1 AND spots.rank = 2) WHERE id = 1;",
      "UPDATE spots SET name = rank IN (SELECT at FROM visits) WHERE id = 1;",
      "UPDATE spots SET name = EXISTS (SELECT 1 FROM spots a, spots b WHERE a.name = b.slug) WHERE id = 1;",
      "WITH c AS (SELECT count(*) AS n FROM visits) UPDATE spots SET rank = (SELECT n FROM c) WHERE id = 1;",
      "CREATE TABLE fresh (a); UPDATE fresh SET a = (SELECT count(*) FROM spots);",
      "INSERT INTO log (note) VALUES ((SELECT count(*) FROM spots a, spots b, spots c));",
      "INSERT INTO log (note) SELECT (SELECT count(*) FROM spots) FROM visits LIMIT 1;",
    ],
    has_not: [
      "UPDATE visits SET at = (SELECT rank FROM spots WHERE spots.id = visits.spot) WHERE spot = 1 AND at = 2;",
      "UPDATE spots SET name = (SELECT s.name FROM spots s WHERE s.id = spots.rank) WHERE id = 1;",
      "UPDATE spots SET name = (SELECT name FROM spots WHERE id = 2) WHERE id = 1;",
      "UPDATE spots SET name = EXISTS (SELECT 1 FROM visits) WHERE id = 1;",
      "UPDATE spots SET name = (SELECT at FROM visits LIMIT 1) WHERE id = 1;",
      "WITH c AS (SELECT 3 AS n) UPDATE spots SET rank = (SELECT n FROM c) WHERE id = 1;",
      "CREATE TABLE fresh (a); INSERT INTO log (note) VALUES ((SELECT count(*) FROM fresh));",
      "INSERT INTO log (note) VALUES ((SELECT count(*) FROM json_each('[1,2]')));",
    ],
  },
  reindex: { has: ["REINDEX;", "REINDEX spots;"], has_not: ["ANALYZE;"] },
  "drop-index": {
    has: ["DROP INDEX spots_rank;"],
    has_not: ["CREATE INDEX i ON spots (rank, id); DROP INDEX i;"],
  },
  "create-index": {
    has: ["CREATE INDEX i ON spots (rank, id);"],
    has_not: ["CREATE TABLE fresh (a); CREATE INDEX i ON fresh (a);"],
  },
  "create-trigger": {
    has: ["CREATE TRIGGER t AFTER INSERT ON spots BEGIN SELECT 1; END;"],
    has_not: [
      "CREATE TABLE fresh (a); CREATE TRIGGER t AFTER INSERT ON fresh BEGIN SELECT 1; END;",
      "CREATE TRIGGER t INSTEAD OF INSERT ON ranked BEGIN SELECT 1; END;",
    ],
  },
  "trigger-text": {
    has: [
      "CREATE TRIGGER t AFTER INSERT ON spots BEGIN SELECT CASE WHEN new.id THEN 1 END; END;",
      "CREATE TRIGGER t AFTER INSERT ON spots\r\nBEGIN SELECT 1; END;",
    ],
    has_not: [
      "CREATE TRIGGER t AFTER INSERT ON spots WHEN new.id BEGIN SELECT 1; END;",
      "CREATE TABLE fresh (\r\na);",
    ],
  },
  "foreign-key": {
    has: [
      "CREATE TABLE notes (spot REFERENCES spots (id));",
      "CREATE TABLE notes (s, FOREIGN KEY (s) REFERENCES spots (id));",
      "CREATE TABLE notes (spot INTEGER NOT NULL REFERENCES spots (id) ON DELETE SET NULL);",
      "CREATE TABLE notes (spot INTEGER PRIMARY KEY REFERENCES spots (id) ON DELETE SET NULL);",
      "CREATE TABLE notes (a, s NOT NULL, FOREIGN KEY (s) REFERENCES spots (id) ON DELETE SET NULL);",
      "CREATE TABLE notes (spot REFERENCES spots (id) ON DELETE SET DEFAULT);",
      "CREATE TABLE notes (spot REFERENCES spots (id) ON DELETE CASCADE ON UPDATE RESTRICT);",
      "CREATE TABLE notes (spot REFERENCES spots (slug) ON DELETE CASCADE ON UPDATE NO ACTION);",
      "CREATE TABLE notes (spot REFERENCES spots (slug) ON DELETE CASCADE);",
      "CREATE TABLE notes (spot REFERENCES spots (rank) ON DELETE CASCADE ON UPDATE CASCADE);",
      "CREATE TABLE notes (visit REFERENCES visits ON DELETE CASCADE ON UPDATE CASCADE);",
      "CREATE TABLE notes (spot NOT NULL REFERENCES spots (slug) ON DELETE CASCADE ON UPDATE SET NULL);",
    ],
    has_not: [
      "CREATE TABLE notes (spot INTEGER REFERENCES spots (id) ON DELETE SET NULL);",
      "CREATE TABLE notes (a NOT NULL, s, FOREIGN KEY (s) REFERENCES spots (id) ON DELETE SET NULL);",
      "CREATE TABLE notes (spot NOT NULL REFERENCES spots (id) ON DELETE CASCADE ON UPDATE NO ACTION);",
      "CREATE TABLE notes (spot REFERENCES spots (slug) ON DELETE CASCADE ON UPDATE CASCADE);",
      "CREATE TABLE notes (s, a, FOREIGN KEY (s, a) REFERENCES visits ON DELETE CASCADE ON UPDATE CASCADE);",
      "CREATE TABLE notes (spot REFERENCES spots (slug) ON DELETE SET NULL ON UPDATE SET NULL);",
      "CREATE TABLE notes (spot REFERENCES spots (id) ON DELETE CASCADE);",
      "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id));",
    ],
  },
  "if-not-exists": {
    has: ["CREATE TABLE IF NOT EXISTS spots (id INTEGER PRIMARY KEY, other);"],
    has_not: ["CREATE TABLE IF NOT EXISTS fresh (a);"],
  },
  "pragma-without-effect": {
    has: ["PRAGMA foreign_keys = OFF;"],
    has_not: ["PRAGMA defer_foreign_keys = on;"],
  },
  "no-effect": { has: ["SELECT 1;", "EXPLAIN SELECT 1;"], has_not: ["INSERT INTO spots (slug) SELECT 'a';"] },
  "virtual-table-export": {
    has: ["CREATE VIRTUAL TABLE f USING fts5(a);"],
    has_not: ["CREATE TABLE f (a);"],
  },
  "allow-comment": {
    has: [
      "-- strata:allow drop-table\nDROP TABLE visits;",
      "-- strata:allow drop-everything since nobody reads it\nDROP TABLE visits;",
      "-- strata:allow transaction we like it\nCREATE TABLE fresh (a);",
      "-- strata:allow drop-table nobody reads it\nCREATE TABLE fresh (a);",
      "CREATE TABLE fresh (a);\n-- strata:allow drop-table nobody reads it",
    ],
    has_not: [
      "-- strata:allow drop-table nobody reads it\nDROP TABLE visits;",
      "-- allow me\nCREATE TABLE fresh (a);",
    ],
  },
  "not-rehearsed": {
    has: [],
    has_not: ["CREATE TABLE fresh (a);"],
  },
};

const rulesOf = (sql: string): readonly RuleId[] => {
  const file = { file: "0002_next.sql", sql };
  const linted = lintFile(file, servedSchema([SERVED])).findings;
  const refused = linted.some(({ severity }) => severity === "refused-by-d1");
  return merged(linted, refused ? [] : rehearse([SERVED], [file], new Set())).map(({ rule }) => rule);
};

/** What the linter alone says; SQLite's word takes the place of `unreadable`. */
const linterRules = (sql: string): readonly RuleId[] =>
  lintFile({ file: "0002_next.sql", sql }, servedSchema([SERVED])).findings.map(({ rule }) => rule);

describe.each(Object.entries(CASES))("%s", (rule, { has, has_not }) => {
  const found = rule === "unreadable" ? linterRules : rulesOf;
  it.each(has.map((sql) => [sql.slice(0, 120), sql]))("is found in %s", (_, sql) => {
    expect(found(sql)).toContain(rule);
  });

  it.each(has_not.map((sql) => [sql.slice(0, 120), sql]))("is not found in %s", (_, sql) => {
    expect(found(sql)).not.toContain(rule);
  });
});

describe("docs/migrations.md", () => {
  it("names every rule with its severity", async () => {
    const text = await readFile(path.join(import.meta.dirname, "../../../../docs/migrations.md"), "utf8");
    const rows = new Map(
      [...text.matchAll(/^\| `([a-z0-9-]+)` \| ([a-z0-9-]+) \|/gm)].map(([, rule, severity]) => [
        rule,
        severity,
      ]),
    );
    expect(Object.fromEntries(rows)).toEqual(RULES);
  });
});
