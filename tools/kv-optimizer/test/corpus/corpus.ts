/**
 * The corpus: small Workers repositories, each written around one shape that real code
 * has, with every KV call labelled. A shape whose name begins with `not-` is about what
 * must not be found; it may hold calls, too, so that nothing passes by being deaf.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { KvCall } from "../../src/model.ts";
import { type LabelledCall, normalizedKeys, readLabels } from "./label.ts";

const FIXTURES = path.join(import.meta.dirname, "fixtures");
const CODE = /\.(?:ts|tsx|js|jsx|mjs|cjs)$/;

/** One repository of the corpus. */
export interface Shape {
  readonly name: string;
  /** Its folder, absolute. */
  readonly root: string;
  /** By file and line. */
  readonly calls: readonly LabelledCall[];
}

function readShape(name: string): Shape {
  const root = path.join(FIXTURES, name);
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && CODE.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"))
    .sort();
  const calls = files.flatMap((file) => readLabels(file, readFileSync(path.join(root, file), "utf8")));
  return { name, root, calls };
}

/**
 * All shapes, by name.
 * @throws {LabelError} of the first malformed label
 */
export function readCorpus(): readonly Shape[] {
  return readdirSync(FIXTURES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map(readShape);
}

/** A label and the call that answers to it. */
interface Pair {
  readonly label: LabelledCall;
  readonly call: KvCall;
}

/** What came of the analysis of a shape, beside its labels. */
export interface Comparison {
  readonly labelled: number;
  readonly found: number;
  /** Labelled calls that were found. */
  readonly hits: number;
  /** Found puts that nobody labelled as a put. */
  readonly falsePuts: number;
  /** Everything that is not as labelled, a line each; empty when all is. */
  readonly faults: readonly string[];
}

const spot = ({ file, line, operation }: LabelledCall | KvCall): string => `${file}:${line} ${operation}`;

function differences({ label, call }: Pair): readonly string[] {
  const differ = (what: string, wanted: unknown, got: unknown): readonly string[] => {
    const [left, right] = [JSON.stringify(wanted), JSON.stringify(got)];
    return left === right ? [] : [`${spot(label)}: ${what} ${right}, labelled ${left}`];
  };
  return [
    ...differ("bulk", label.bulk, call.bulk),
    ...differ("bindings", label.bindings, [...call.bindings].sort()),
    ...(label.keys === null ? [] : differ("keys", label.keys, normalizedKeys(call.keys))),
    ...differ("ttl", label.ttl, call.ttl?.verdict ?? null),
  ];
}

/** Lays the calls that were found over the labels: by file, line and operation, in the order of the line. */
export function compare(labels: readonly LabelledCall[], calls: readonly KvCall[]): Comparison {
  const open = [...calls].sort((a, b) => a.column - b.column);
  const pairs: Pair[] = [];
  const missed: LabelledCall[] = [];
  for (const label of labels) {
    const index = open.findIndex((call) => spot(call) === spot(label));
    const call = index === -1 ? undefined : open.splice(index, 1)[0];
    if (call === undefined) missed.push(label);
    else pairs.push({ label, call });
  }
  return {
    labelled: labels.length,
    found: calls.length,
    hits: pairs.length,
    falsePuts: open.filter(({ operation }) => operation === "put").length,
    faults: [
      ...missed.map((label) => `${spot(label)}: not found`),
      ...open.map((call) => `${spot(call)}: found, and not labelled: ${call.code}`),
      ...pairs.flatMap(differences),
    ],
  };
}

const share = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${Math.round((1_000 * part) / whole) / 10} %`;

/** A table of shapes with their recall and precision, and the sums in its last line. */
export function comparisonTable(rows: ReadonlyMap<string, Comparison>): string {
  const sum = (of: (row: Comparison) => number): number =>
    [...rows.values()].reduce((total, row) => total + of(row), 0);
  const cells = (name: string, labelled: number, found: number, hits: number): readonly string[] => [
    name,
    String(labelled),
    String(found),
    share(hits, labelled),
    share(hits, found),
  ];
  const lines = [
    ["shape", "labelled", "found", "recall", "precision"],
    ...[...rows].map(([name, row]) => cells(name, row.labelled, row.found, row.hits)),
    cells(
      `${rows.size} shapes`,
      sum((row) => row.labelled),
      sum((row) => row.found),
      sum((row) => row.hits),
    ),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const shown = (line: readonly string[]): string =>
    line
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join("  ");
  return lines.map((line) => `${shown(line)}\n`).join("");
}
