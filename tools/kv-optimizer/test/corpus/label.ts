/**
 * The labels in the fixtures: what a person says about a KV call, in a comment on the
 * line of the method's name.
 *
 *     // kv: put CACHE key="session:{id}" ttl=yes
 *     // kv: get EU,US key="a"; delete ? key="b"
 *
 * Operation, then the bindings that the receiver may be (`?` when only its type is
 * known), then in any order: `bulk`; `key="…"`, once a pattern; for puts, and only
 * for them, `ttl=yes|no|unknown`. Two calls of a line are divided by `;`, in the
 * order in which they stand. `/* kv: … *\/` says the same where a line comment cannot be.
 */
import { OPERATIONS, type Operation, type Ttl } from "../../src/model.ts";

/** A call as its label says it should be found. */
export interface LabelledCall {
  readonly file: string;
  /** Of the method's name, from 1. */
  readonly line: number;
  readonly operation: Operation;
  readonly bulk: boolean;
  /** Sorted; empty when only the receiver's type is known. */
  readonly bindings: readonly string[];
  /** Sorted, with `{}` for every placeholder; `null` when the label leaves them out. */
  readonly keys: readonly string[] | null;
  /** `null` but for puts. */
  readonly ttl: Ttl["verdict"] | null;
}

/** A label that does not follow the grammar. */
export class LabelError extends Error {
  override readonly name = "LabelError";

  constructor(file: string, line: number, what: string) {
    super(`${file}:${line}: ${what}`);
  }
}

const START = /(?:\/\/|\/\*)\s*kv\s*:/i;
const LABEL = /(?:\/\/ kv: (?<line>.+)|\/\* kv: (?<block>.+?) \*\/\}?)$/;
const BINDINGS = /^(?:\?|[\p{ID_Start}_$][\p{ID_Continue}$]*(?:,[\p{ID_Start}_$][\p{ID_Continue}$]*)*)$/u;
const WORD = /(?:[^\s;"]|"[^"]*")+|;/g;
const VERDICTS: readonly Ttl["verdict"][] = ["yes", "no", "unknown"];

const isOperation = (word: string | undefined): word is Operation =>
  OPERATIONS.some((operation) => operation === word);

/** A key pattern whose placeholders have lost their names. */
export const normalizedKey = (pattern: string): string => pattern.replaceAll(/\{[^{}]*\}/g, "{}");

/** Whether a placeholder of `general` can stand for what `special` has in its place. */
function covers(general: string, special: string): boolean {
  const fixed = general.split("{}").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
  return new RegExp(`^${fixed.join(".*")}$`, "s").test(special);
}

/**
 * Patterns in the form in which they can be compared. A pattern that another one covers
 * says nothing more, and is left out: of `city ?? ""` one may say `{city}`, or that and the empty key.
 */
export function normalizedKeys(patterns: readonly string[]): readonly string[] {
  const distinct = [...new Set(patterns.map(normalizedKey))].sort();
  return distinct.filter(
    (pattern, index) =>
      !distinct.some(
        (other, at) => at !== index && covers(other, pattern) && (index > at || !covers(pattern, other)),
      ),
  );
}

/** What follows operation and bindings. */
interface Attributes {
  bulk: boolean;
  readonly keys: string[];
  ttl: Ttl["verdict"] | null;
}

function readAttribute(word: string, into: Attributes): boolean {
  const key = /^key="([^"]+)"$/.exec(word)?.[1];
  if (key !== undefined) {
    into.keys.push(key);
    return true;
  }
  if (word === "bulk" && !into.bulk) {
    into.bulk = true;
    return true;
  }
  const ttl = VERDICTS.find((verdict) => word === `ttl=${verdict}`);
  if (ttl === undefined || into.ttl !== null) return false;
  into.ttl = ttl;
  return true;
}

function readCall(words: readonly string[], file: string, line: number): LabelledCall {
  const [operation, bindings, ...rest] = words;
  const fault = (what: string): LabelError => new LabelError(file, line, what);
  if (!isOperation(operation)) throw fault(`${operation ?? "nothing"} is no operation`);
  if (bindings === undefined || !BINDINGS.test(bindings)) {
    throw fault(`after ${operation}, bindings or ? must stand`);
  }
  const attributes: Attributes = { bulk: false, keys: [], ttl: null };
  for (const word of rest) {
    if (!readAttribute(word, attributes)) throw fault(`${word} is not understood, or stands twice`);
  }
  if ((operation === "put") !== (attributes.ttl !== null)) {
    throw fault("ttl must stand with puts, and only there");
  }
  if (attributes.bulk && operation !== "get" && operation !== "getWithMetadata") {
    throw fault("only reads are bulk");
  }
  return {
    file,
    line,
    operation,
    bulk: attributes.bulk,
    bindings: bindings === "?" ? [] : bindings.split(",").sort(),
    keys: attributes.keys.length === 0 ? null : normalizedKeys(attributes.keys),
    ttl: attributes.ttl,
  };
}

function readLine(text: string, file: string, line: number): readonly LabelledCall[] {
  if (!START.test(text)) return [];
  const groups = LABEL.exec(text)?.groups;
  const label = groups?.["line"] ?? groups?.["block"];
  if (label === undefined) {
    throw new LabelError(file, line, "a label must begin with `kv: ` and end its line");
  }
  const calls: string[][] = [[]];
  for (const word of label.match(WORD) ?? []) {
    if (word === ";") calls.push([]);
    else calls.at(-1)?.push(word);
  }
  return calls.map((words) => readCall(words, file, line));
}

/**
 * The labels of one file, by line.
 * @throws {LabelError} of the first that does not follow the grammar
 */
export function readLabels(file: string, text: string): readonly LabelledCall[] {
  return text.split(/\r?\n/).flatMap((line, index) => readLine(line, file, index + 1));
}
