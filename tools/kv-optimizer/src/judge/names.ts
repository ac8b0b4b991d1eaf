import type { Confidence, KvCall } from "../model.ts";
import { CACHE_PHRASES, NAME_RULES, type NameRule } from "./rules.ts";
import {
  contains,
  keyArgumentOf,
  literalOf,
  placeholdersOf,
  singularsOf,
  standsAt,
  wordsOf,
} from "./words.ts";

/** A rule whose words were found. */
export interface NameEvidence {
  readonly rule: NameRule;
  /** What was found and where, as a clause. */
  readonly seen: string;
  readonly confidence: Confidence;
}

/** Names that say something about a call, and how much that says. */
interface Source {
  readonly what: string;
  readonly texts: readonly string[];
  readonly confidence: Confidence;
  /** A name of what is stored, not of what is done. */
  readonly isNoun: boolean;
}

/** The purpose that the names of a call give away; `null` when they give none. */
export function readNames(call: KvCall): NameEvidence | null {
  const near = nearSources(call);
  const far = farSources(call);
  // When the key is known and says nothing, the function may still, but what is further away only counts
  // when nothing is known of the key.
  const deciding = hasLiteralKey(call) ? (isCacheKey(call) ? near.slice(0, 1) : near) : [...near, ...far];
  const found = firstOf(deciding, () => true);
  if (found === null || (found.rule.cacheable && saysCache(call))) return null;
  const { yieldsTo } = found.rule;
  if (yieldsTo === undefined) return found;
  return firstOf([...near, ...far], ({ id }) => yieldsTo.includes(id)) ?? found;
}

/**
 * Whether a key, or the function that makes the call, says that it caches. Names of bindings
 * do not: a namespace called CACHE holds all sorts.
 */
export function saysCache(call: KvCall): boolean {
  return isCacheKey(call) || isCacheName(call.scope);
}

/** Whether the pattern of a key is known beyond its placeholders. */
export function hasLiteralKey(call: KvCall): boolean {
  return call.keys.some((key) => wordsOf(literalOf(key)).length > 0);
}

function isCacheKey(call: KvCall): boolean {
  return call.keys.some((key) => isCacheName(literalOf(key)));
}

function isCacheName(name: string): boolean {
  const words = wordsOf(name);
  return CACHE_WORDS.some((phrase) => contains(words, phrase));
}

/** From the strongest. */
function nearSources(call: KvCall): readonly Source[] {
  return [
    { what: "the key", texts: call.keys.map(literalOf), confidence: "high", isNoun: true },
    { what: "the function", texts: [call.scope], confidence: "medium", isNoun: false },
    { what: "the binding", texts: call.bindings, confidence: "medium", isNoun: true },
    { what: "a part of the key", texts: call.keys.map(placeholdersOf), confidence: "low", isNoun: true },
  ];
}

function farSources(call: KvCall): readonly Source[] {
  const callers = [...new Set(call.paths.flatMap(({ via }) => via.slice(1)))].sort();
  return [
    { what: "a caller", texts: callers, confidence: "low", isNoun: false },
    { what: "the file", texts: [fileName(call.file)], confidence: "low", isNoun: false },
    { what: "the code", texts: [keyArgument(call)], confidence: "low", isNoun: true },
  ];
}

/** Of a list it is options, in which `cursor` means something else. */
function keyArgument(call: KvCall): string {
  return call.operation === "list" ? "" : keyArgumentOf(call.code, call.operation);
}

function fileName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1).replace(/\.[^.]+$/, "");
}

/** What the first source that says anything says. */
function firstOf(sources: readonly Source[], accepts: (rule: NameRule) => boolean): NameEvidence | null {
  for (const { what, texts, confidence, isNoun } of sources) {
    const best = bestOf(
      texts.flatMap((text) => occurrencesIn(text, isNoun)).filter(({ entry }) => accepts(entry.rule)),
    );
    if (best === undefined) continue;
    const seen = `${what} \`${best.text.trim()}\` says “${best.found}”`;
    return { rule: best.entry.rule, seen, confidence };
  }
  return null;
}

/** A phrase of a rule. */
interface Entry {
  readonly rule: NameRule;
  /** The place of the rule in the table. */
  readonly order: number;
  readonly phrase: readonly string[];
  readonly isNoun: boolean;
}

interface Occurrence {
  readonly entry: Entry;
  readonly text: string;
  readonly found: string;
}

/** The longest phrase; of equal ones the first of the table, then the first in sight. */
function bestOf(occurrences: readonly Occurrence[]): Occurrence | undefined {
  return occurrences.toSorted(
    (a, b) => b.entry.phrase.length - a.entry.phrase.length || a.entry.order - b.entry.order,
  )[0];
}

function occurrencesIn(text: string, isNoun: boolean): readonly Occurrence[] {
  const words = wordsOf(text);
  return words.flatMap((word, start) =>
    singularsOf(word)
      .flatMap((singular) => LEXICON.get(singular) ?? [])
      .filter((entry) => (isNoun || !entry.isNoun) && standsAt(words, start, entry.phrase))
      .filter(({ rule }) => !(UNLESS.get(rule.id) ?? []).some((phrase) => contains(words, phrase)))
      .map((entry) => ({ entry, text, found: words.slice(start, start + entry.phrase.length).join(" ") })),
  );
}

/** Phrases by their first word. */
const LEXICON: ReadonlyMap<string, readonly Entry[]> = Map.groupBy(
  NAME_RULES.flatMap((rule, order) => [
    ...rule.phrases.map((phrase): Entry => ({ rule, order, phrase: phrase.split(" "), isNoun: false })),
    ...(rule.nounPhrases ?? []).map((phrase): Entry => ({
      rule,
      order,
      phrase: phrase.split(" "),
      isNoun: true,
    })),
  ]),
  ({ phrase: [first = ""] }) => first,
);

const UNLESS: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(
  NAME_RULES.map(({ id, unless = [] }) => [id, unless.map((phrase) => phrase.split(" "))]),
);

const CACHE_WORDS: readonly (readonly string[])[] = CACHE_PHRASES.map((phrase) => phrase.split(" "));
