/**
 * Kinds of answers, one route at a time (routes answer differently, and lanes have
 * different mixes of them).
 */
import { addGroups, areSeveral } from "./clients.ts";
import { missingAnswersP } from "./p-values.ts";
import type { RoutePair, Tally } from "./series.ts";
import type { Split } from "./split.ts";

/** By how much the share of a kind may differ: clients keep their lane, and ask for different things. */
export const ANSWER_MARGIN = 0.05;
const MISSING_LEVEL = 0.05;
/**
 * Of the answers that the canary owes, it may give so few before a wave of 4xx is its own: with
 * few clients, one that is refused is a large part of its lane.
 */
const REFUSED_REST = 1 / 3;
const REFUSALS = "4xx";

/** These are judged as errors. */
const ERRORS = "5xx";

/** Between what was asked for and the answer to it, in the name of a kind. */
const ARROW = " → ";

/** What a client had asked for, empty where that is not told, and the answer: status class and type. */
export function kindParts(kind: string): { readonly asked: string; readonly answer: string } {
  const at = kind.indexOf(ARROW);
  if (at < 0) return { asked: "", answer: kind };
  return { asked: kind.slice(0, at), answer: kind.slice(at + ARROW.length) };
}

/** Clients of the canary that got some kinds of answers. */
export interface Concerned {
  readonly groups: number;
  /** Whether they are enough to blame it; where nobody is known, yes. */
  readonly several: boolean;
}

export interface KindSplit extends Split {
  readonly kind: string;
  /** Answers of other kinds, on each lane. */
  readonly others: { readonly canary: number; readonly stable: number };
  /** Who got this kind, and who got others. */
  readonly concerned: Concerned;
  readonly concernedByOthers: Concerned;
}

const isError = (kind: string): boolean => kindParts(kind).answer.startsWith(ERRORS);

function answered({ answers }: Tally, kinds: readonly string[]): number {
  return kinds.reduce((sum, kind) => sum + (answers[kind] ?? 0), 0);
}

/** Everyone who got any of the kinds. */
function groupsOf({ clients }: Tally, kinds: readonly string[]): number {
  return kinds.reduce((groups, kind) => addGroups(groups, clients?.answers[kind] ?? 0), 0);
}

/** The kinds of answers to one question; lanes whose clients ask for different things stay comparable. */
function splitsOf({ canary, stable }: Lanes, kinds: readonly string[]): readonly KindSplit[] {
  const useful = kinds.filter((kind) => !isRefusal(kind));
  const all = { canary: answered(canary, kinds), stable: answered(stable, kinds) };
  const best = { canary: answered(canary, useful), stable: answered(stable, useful) };
  const seen = groupsOf(canary, kinds);
  const concerned = (some: readonly string[]): Concerned => {
    const groups = groupsOf(canary, some);
    return { groups, several: seen === 0 || areSeveral(groups, seen) };
  };
  return kinds.map((kind) => {
    const trials = isRefusal(kind) ? all : best;
    const hits = { canary: canary.answers[kind] ?? 0, stable: stable.answers[kind] ?? 0 };
    const others = (isRefusal(kind) ? kinds : useful).filter((other) => other !== kind);
    return {
      kind,
      canary: { hits: hits.canary, trials: trials.canary },
      stable: { hits: hits.stable, trials: trials.stable },
      others: { canary: trials.canary - hits.canary, stable: trials.stable - hits.stable },
      concerned: concerned([kind]),
      concernedByOthers: concerned(others),
    };
  });
}

type Lanes = Pick<RoutePair, "canary" | "stable">;

/**
 * Every kind that either lane has given, but failures, compared among answers to the same
 * question. A refusal is counted among all answers, any other kind among those that are
 * none: that a lane has no refused client says nothing of its version.
 */
export function kindSplits(lanes: Lanes): readonly KindSplit[] {
  const kinds = new Set([...Object.keys(lanes.canary.answers), ...Object.keys(lanes.stable.answers)]);
  const good = [...kinds].filter((kind) => !isError(kind));
  const byAsked = Map.groupBy(good, (kind) => kindParts(kind).asked);
  return [...byAsked.values()].flatMap((asked) => splitsOf(lanes, asked));
}

/** 4xx: as often the client's doing as the version's. */
export function isRefusal(kind: string): boolean {
  return kindParts(kind).answer.startsWith(REFUSALS);
}

/** The share of a kind turned round: how many answers are not of it. */
export function notOfKind({ canary, stable, others }: KindSplit): Split {
  return {
    canary: { hits: others.canary, trials: canary.trials },
    stable: { hits: others.stable, trials: stable.trials },
  };
}

/**
 * Whether answers of a kind came in place of others: those others are fewer on the canary
 * than its share of the requests would bring. A client with a wrong key, or one that tries
 * paths, adds answers to its lane and takes none away; a canary that answers wrongly does
 * both.
 */
export function replacesOthers({ kind, others }: KindSplit, share: number): boolean {
  const rest = isRefusal(kind) ? REFUSED_REST : 1;
  return missingAnswersP(others.canary, others.stable, share * rest) <= MISSING_LEVEL;
}

/** Whether answers of a kind gave way to others, by the same measure. */
export function isReplaced({ canary, stable }: KindSplit, share: number): boolean {
  return missingAnswersP(canary.hits, stable.hits, share) <= MISSING_LEVEL;
}
