import type { Category, Confidence, KvCall, Target } from "../model.ts";
import type { JudgeContext } from "./context.ts";
import { type FrequencyEvidence, readFrequency } from "./frequency.ts";
import { hasLiteralKey, type NameEvidence, readNames, saysCache } from "./names.ts";

/** A judgement without its figures. */
export interface Verdict {
  readonly category: Category;
  readonly rule: string;
  readonly why: string;
  readonly confidence: Confidence;
  readonly target: Target;
  readonly advice: string;
}

/**
 * What a call is for: what its names say, else how often it is made, else a cache. Reads of
 * the control plane belong to it as its writes do.
 */
export function verdictOn(call: KvCall, context: JudgeContext): Verdict {
  const names = readNames(call);
  if (names !== null) return byName(names);
  const frequency = readFrequency(call, context);
  return frequency === null ? asCache(call) : byFrequency(call, frequency);
}

function byName({ rule, seen, confidence }: NameEvidence): Verdict {
  const { id, category, purpose, target, advice } = rule;
  return { category, rule: id, why: `It looks like ${purpose}: ${seen}.`, confidence, target, advice };
}

function byFrequency(call: KvCall, { rule, seen }: FrequencyEvidence): Verdict {
  return {
    category: "B",
    rule,
    why: `It is a frequent ${call.operation}: ${seen}.`,
    confidence: "high",
    ...frequentMove(call),
  };
}

interface Move {
  readonly target: Target;
  readonly advice: string;
}

function frequentMove(call: KvCall): Move {
  switch (call.operation) {
    case "list":
      return {
        target: "d1",
        advice:
          "Keep the names in a D1 table with an index, or in one key that is written along: 1,000 lists a day are free, and a list does not show what was just written.",
      };
    case "delete":
      return {
        target: "ttl",
        advice:
          "Let the keys expire by `expirationTtl` instead of deleting them one by one: 1,000 deletes a day are free.",
      };
    default:
      return { target: "batch", advice: batchAdvice(call) };
  }
}

function batchAdvice({ ttl }: KvCall): string {
  const advice =
    "Write less often: several values under one key, only when the value has changed, or at most once in an interval; what is only cached near the user fits the Cache API.";
  return ttl?.verdict === "no" ? `${advice} Give it an \`expirationTtl\` as well.` : advice;
}

function asCache(call: KvCall): Verdict {
  const known = hasLiteralKey(call);
  const why = saysCache(call)
    ? "Its names say that it is a cache."
    : known
      ? "Nothing in its names or in how often it is made says otherwise."
      : "Nothing is known of its key, and nothing else says otherwise.";
  const confidence = saysCache(call) ? "high" : known ? "medium" : "low";
  return { category: "C", why, confidence, ...cacheMove(call) };
}

function cacheMove(call: KvCall): Move & { readonly rule: string } {
  switch (call.operation) {
    case "put":
      return putMove(call);
    case "list":
      return listMove(call);
    case "delete":
      return {
        rule: "cache/delete",
        target: "keep",
        advice: "Nothing has to move; a short `expirationTtl` may make the delete unnecessary.",
      };
    case "get":
    case "getWithMetadata":
      return {
        rule: "cache/read",
        target: "keep",
        advice: "Nothing has to move; reads of a cache are what KV is for.",
      };
  }
}

function putMove({ ttl }: KvCall): Move & { readonly rule: string } {
  if (ttl?.verdict === "yes") {
    return { rule: "cache/put", target: "keep", advice: "Nothing has to move; keep the time to live." };
  }
  if (ttl?.verdict === "unknown") {
    return {
      rule: "cache/put-unknown-ttl",
      target: "ttl",
      advice: `Make the time to live visible where it is put: pass \`expirationTtl\` in the options. ${ttl.why}`,
    };
  }
  return {
    rule: "cache/put-without-ttl",
    target: "ttl",
    advice:
      "Pass `expirationTtl` (60 seconds or more) in the options, so that what nobody reads goes away by itself; if it has to stay, say why in an ignore comment.",
  };
}

function listMove({ keys }: KvCall): Move & { readonly rule: string } {
  const hasPrefix = keys.some((key) => key !== "");
  return hasPrefix
    ? {
        rule: "cache/list",
        target: "keep",
        advice: "It is rare enough to stay; keep it off the paths of requests.",
      }
    : {
        rule: "cache/list-all",
        target: "sharper-key",
        advice:
          "Give it a `prefix`, or read the wanted keys by name: a list of a whole namespace costs one operation for every 1,000 keys.",
      };
}
