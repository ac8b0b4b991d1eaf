/** Judgements in words: short, with the figures. */
import type { TrafficClass } from "../contract.ts";
import { kindParts } from "./answers.ts";
import type { Scope } from "./scope.ts";
import type { Hits, Split } from "./split.ts";

const MOST_ODDS = 1e9;

const NOUNS: Readonly<Record<TrafficClass, readonly [one: string, many: string]>> = {
  read: ["read", "reads"],
  write: ["write", "writes"],
  background: ["delivery", "deliveries"],
};

/** `12,345`; not by `Intl`, which would take most of the time of a judgement. */
export function whole(value: number): string {
  const digits = String(Math.round(value));
  return digits.length <= 3 ? digits : digits.replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

export function millis(value: number): string {
  return `${value < 10 ? Number(value.toFixed(1)) : whole(value)} ms`;
}

/** A number of any size, with three digits or so. */
export function plain(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/** `1 more canary read`, `4 more canary deliveries (background)`. */
export function moreOf(count: number, traffic: TrafficClass): string {
  const noun = NOUNS[traffic][count === 1 ? 0 : 1];
  return `${whole(count)} more canary ${noun}${traffic === "background" ? " (background)" : ""}`;
}

/** `reads`, `background deliveries and runs`. */
export function classNoun(traffic: TrafficClass): string {
  return traffic === "background" ? "background deliveries and runs" : NOUNS[traffic][1];
}

/** `reads of /read`, `queue deliveries`, `cron runs`. */
export function scopeNoun({ traffic, route }: Pick<Scope, "traffic" | "route">): string {
  if (route === null) return classNoun(traffic);
  if (traffic !== "background") return `${NOUNS[traffic][1]} of ${route}`;
  if (route === "queue") return "queue deliveries";
  return route === "cron" ? "cron runs" : `${route} runs`;
}

export const outOf = ({ hits, trials }: Hits): string => `${whole(hits)} of ${whole(trials)}`;

/** `chance does this less than once in 24,000 times`. */
export function chance(probability: number): string {
  const odds = Math.min(MOST_ODDS, Math.floor(1 / probability));
  return `chance does this less than once in ${whole(odds)} times`;
}

/** `2xx text/html`; `2xx text/html where json was asked for`. */
export function kindText(kind: string): string {
  const { asked, answer } = kindParts(kind);
  return asked === "" || asked === "any" ? answer : `${answer} where ${asked} was asked for`;
}

/** What became of a request, for each metric that counts. */
export const FATES = {
  errors: "failed",
  exceptions: "threw or broke off",
  overdue: "had no answer in time",
} as const;

export function cronSentence({ canary }: Split): string {
  return `${outOf(canary)} canary cron runs failed, and the stable lane then did them without a fault`;
}
