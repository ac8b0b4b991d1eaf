/** What comments say to the program: ours (`kv-optimizer:…`), and JSDoc types. */
import type { CommentFault } from "../model.ts";

export interface SourceComment {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type Directive =
  | { readonly kind: "ignore"; readonly reason: string }
  | { readonly kind: "rate"; readonly perDay: number }
  | { readonly kind: "loop"; readonly count: number };

/** A comment of ours, and the line of code that it speaks of; both count from 1. */
export interface PlacedDirective {
  readonly directive: Directive;
  readonly line: number;
  readonly target: number;
  readonly column: number;
}

const MARK = "kv-optimizer:";
const FORM = /^[\s*]*kv-optimizer:([a-z-]+)(?![\w-])[ \t:]*([^\n]*)/;
const PER_DAY: ReadonlyMap<string, number> = new Map([
  ["day", 1],
  ["hour", 24],
  ["minute", 1_440],
  ["second", 86_400],
]);
const RATE = /^([\d_]+(?:\.\d+)?)\s*\/\s*(day|hour|minute|second)\b/;

type Read = { readonly directive: Directive; readonly own: boolean } | { readonly fault: string };

function readDirective(word: string, rest: string): Read {
  const value = rest.replace(/\*\/\s*$/, "").trim();
  switch (word) {
    case "ignore":
    case "ignore-next":
      if (value === "") {
        return { fault: `kv-optimizer:${word} needs a reason: // kv-optimizer:${word} <why this is right>` };
      }
      return { directive: { kind: "ignore", reason: value }, own: word === "ignore" };
    case "rate": {
      const [, number = "", unit = ""] = RATE.exec(value) ?? [];
      const perDay = Number(number.replaceAll("_", "")) * (PER_DAY.get(unit) ?? Number.NaN);
      if (!Number.isFinite(perDay)) {
        return {
          fault: "kv-optimizer:rate needs a rate: // kv-optimizer:rate 500/day (or /hour, /minute, /second)",
        };
      }
      return { directive: { kind: "rate", perDay }, own: false };
    }
    case "loop": {
      const count = Number(/^([\d_]+)/.exec(value)?.[1]?.replaceAll("_", "") ?? "");
      if (!Number.isInteger(count) || count < 1) {
        return { fault: "kv-optimizer:loop needs a count: // kv-optimizer:loop 20" };
      }
      return { directive: { kind: "loop", count }, own: false };
    }
    default:
      return { fault: `kv-optimizer:${word} is not known; there are ignore, ignore-next, rate and loop` };
  }
}

/** The lines that hold more than comments and blanks; line N is bit N − 1. */
function codeLines(
  text: string,
  comments: readonly SourceComment[],
  lineStarts: readonly number[],
): readonly boolean[] {
  const covered = [...comments].sort((a, b) => a.start - b.start);
  let next = 0;
  return lineStarts.map((start, index) => {
    const end = lineStarts[index + 1] ?? text.length;
    let at = start;
    while (at < end) {
      while ((covered[next]?.end ?? Infinity) <= at) next += 1;
      const comment = covered[next];
      if (comment !== undefined && comment.start <= at) {
        at = Math.min(comment.end, end);
        if (at === end) break;
        continue;
      }
      if (!/\s/.test(text.charAt(at))) return true;
      at += 1;
    }
    return false;
  });
}

/** By index: the line, from 1, of the first code there or further down; 0 when there is none. */
function nextCodeLines(code: readonly boolean[]): readonly number[] {
  let next = 0;
  return code
    .map((_, index) => code.length - 1 - index)
    .map((index) => (next = code[index] === true ? index + 1 : next))
    .toReversed();
}

/** The line of an offset, from 1. */
export function lineOf(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}

export function startsOfLines(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/**
 * The comments of ours in a file. One that shares its line with code speaks of that line;
 * one that stands alone, and `ignore-next` anywhere, of the next line of code.
 */
export function readDirectives(
  file: string,
  text: string,
  comments: readonly SourceComment[],
  lineStarts: readonly number[],
): { readonly directives: readonly PlacedDirective[]; readonly faults: readonly CommentFault[] } {
  const directives: PlacedDirective[] = [];
  const faults: CommentFault[] = [];
  const ours = comments.filter((comment) => comment.text.includes(MARK));
  if (ours.length === 0) return { directives, faults };
  const code = codeLines(text, comments, lineStarts);
  const nextCode = nextCodeLines(code);
  for (const comment of ours) {
    const [, word = "", rest = ""] = FORM.exec(comment.text) ?? [];
    if (word === "") continue;
    const line = lineOf(lineStarts, comment.start);
    const column = comment.start - (lineStarts[line - 1] ?? 0) + 1;
    const read = readDirective(word, rest);
    if ("fault" in read) {
      faults.push({ file, line, column, message: read.fault });
      continue;
    }
    const shares = code[line - 1] === true;
    const next = nextCode[lineOf(lineStarts, comment.end)] ?? 0;
    const target = shares && word !== "ignore-next" ? line : next;
    if (read.own && !shares) {
      faults.push({
        file,
        line,
        column,
        message:
          "kv-optimizer:ignore speaks of its own line, and that holds no code: write kv-optimizer:ignore-next",
      });
      continue;
    }
    directives.push({ directive: read.directive, line, target, column });
  }
  return { directives, faults };
}

const DOC_TYPE = /@type\s*\{/;
const DOC_PARAM = /@param\s*\{/g;
const DOC_PROPERTY = /@prop(?:erty)?\s*\{/g;
const DOC_NAME = /^\s*\[?\s*([\w$.]+)/;

/** The types of `@param {Type} name`, in their order. */
export type DocParams = readonly { readonly name: string; readonly type: string }[];

/** A type that is longer is none that somebody wrote. */
const MAX_TYPE_LENGTH = 2_000;

/** What stands between braces from `open`, which is the first of them, and where it ends; `null` when they do not close. */
function braced(text: string, open: number): { readonly inner: string; readonly end: number } | null {
  let depth = 0;
  const limit = Math.min(text.length, open + MAX_TYPE_LENGTH);
  for (let at = open; at < limit; at += 1) {
    if (text[at] === "{") depth += 1;
    else if (text[at] === "}") depth -= 1;
    if (depth === 0) return { inner: text.slice(open + 1, at).trim(), end: at + 1 };
  }
  return null;
}

/** `KVNamespace` of `@type {KVNamespace}`. */
export function docTypeOf(comment: string): string | null {
  const found = DOC_TYPE.exec(comment);
  return found === null ? null : (braced(comment, found.index + found[0].length - 1)?.inner ?? null);
}

function named(comment: string, tag: RegExp): DocParams {
  return [...comment.matchAll(tag)].flatMap((found) => {
    const type = braced(comment, found.index + found[0].length - 1);
    const name = type === null ? undefined : DOC_NAME.exec(comment.slice(type.end))?.[1];
    return type === null || name === undefined ? [] : [{ name, type: type.inner }];
  });
}

/** The parameters of a function; properties of one (`options.ttl`) are left out. */
export function docParamsOf(comment: string): DocParams {
  return named(comment, DOC_PARAM).filter(({ name }) => !name.includes("."));
}

/** `@typedef {object} Env` with its properties, or `@typedef {Type} Name`, as a declaration of TypeScript; `null` of other comments. */
export function docTypedefOf(comment: string): string | null {
  const found = /@typedef\s*\{/.exec(comment);
  if (found === null) return null;
  const base = braced(comment, found.index + found[0].length - 1);
  const name = base === null ? undefined : DOC_NAME.exec(comment.slice(base.end))?.[1];
  if (base === null || name === undefined || !/^[\w$]+$/.test(name)) return null;
  const properties = named(comment, DOC_PROPERTY);
  if (properties.length === 0) return `type ${name} = ${base.inner};`;
  return `interface ${name} { ${properties.map(({ name: key, type }) => `${key}: ${type};`).join(" ")} }`;
}
