/**
 * Recognises the rebuild of a table, SQLite's way of changing what ALTER TABLE cannot
 * (sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes"):
 * make a new table, copy the rows, drop the old one, rename; or with the old one renamed away first.
 */
import type { Stmt } from "sqlite3-parser";
import { key } from "./schema.ts";
import type { Statement } from "./statements.ts";

export interface Rebuild {
  /** Name that the serving code uses. */
  readonly table: string;
  /** Statements that belong to it, in their order. */
  readonly statements: readonly number[];
  /** Which of them makes the new table. */
  readonly create: number;
  /** The old table was renamed away: the foreign keys of other tables followed it. */
  readonly renamedAway: boolean;
}

/** Statements by what they do, in the order of the file. */
class Places {
  readonly #places = new Map<string, number[]>();

  add(what: string, place: number): void {
    const places = this.#places.get(what);
    if (places === undefined) this.#places.set(what, [place]);
    else places.push(place);
  }

  /** The last such statement before `end`; `null` without one. */
  before(end: number | null, what: string): number | null {
    const places = this.#places.get(what) ?? [];
    return end === null ? null : (places[firstFrom(places, end) - 1] ?? null);
  }

  /** The first such statement after `start`; `null` without one. */
  after(start: number | null, what: string): number | null {
    const places = this.#places.get(what) ?? [];
    return start === null ? null : (places[firstFrom(places, start + 1)] ?? null);
  }
}

/** Index of the first of rising numbers that is not less than `least`. */
function firstFrom(rising: readonly number[], least: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((rising[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Table that a statement copies rows from; `null` when it copies none. */
function copied(node: Stmt): string | null {
  if (node.type !== "InsertStmt" || node.body.type !== "SelectInsertBody") return null;
  const { select } = node.body.select;
  const source = select.type === "SelectFrom" ? select.from?.select : undefined;
  return source?.type === "TableSelectTable" ? key(source.tblName.objName.text) : null;
}

const create = (table: string): string => `create ${table}`;
const drop = (table: string): string => `drop ${table}`;
const copy = (from: string, to: string): string => `copy ${JSON.stringify([from, to])}`;

function placesOf(statements: readonly Statement[]): Places {
  const places = new Places();
  statements.forEach(({ node }, place) => {
    if (node.type === "CreateTableStmt") places.add(create(key(node.tblName.objName.text)), place);
    if (node.type === "DropTableStmt") places.add(drop(key(node.tblName.objName.text)), place);
    const from = copied(node);
    if (from !== null && node.type === "InsertStmt") {
      places.add(copy(from, key(node.tblName.objName.text)), place);
    }
  });
  return places;
}

/** The rebuilds in a file, in the order in which they rename. */
export function findRebuilds(statements: readonly Statement[]): readonly Rebuild[] {
  const renames = statements.flatMap(({ node }, place) =>
    node.type === "AlterTableStmt" && node.body.type === "RenameToAlterTableBody"
      ? [{ place, from: key(node.tblName.objName.text), to: key(node.body.name.text) }]
      : [],
  );
  if (renames.length === 0) return [];
  const places = placesOf(statements);
  return renames.flatMap(({ place, from, to }): Rebuild[] => {
    const dropped = places.before(place, drop(to));
    const filled = places.before(dropped, copy(to, from));
    const made = places.before(filled, create(from));
    if (dropped !== null && filled !== null && made !== null) {
      return [{ table: to, statements: [made, filled, dropped, place], create: made, renamedAway: false }];
    }
    const madeAfter = places.after(place, create(from));
    const filledAfter = places.after(madeAfter, copy(to, from));
    const droppedAfter = places.after(filledAfter, drop(to));
    if (madeAfter === null || filledAfter === null || droppedAfter === null) return [];
    return [
      {
        table: from,
        statements: [place, madeAfter, filledAfter, droppedAfter],
        create: madeAfter,
        renamedAway: true,
      },
    ];
  });
}
