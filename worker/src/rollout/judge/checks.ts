/** What the checks of a judgement have in common. */
import type { Check, GateSettings } from "../contract.ts";
import { groupsText } from "./clients.ts";
import { lookLevel, scopePart, windowPart, type Window } from "./budget.ts";
import type { Scope } from "./scope.ts";
import { begun } from "./series.ts";

/** One scope in both windows, and what may be spent on it. */
export interface Judged {
  readonly total: Scope;
  readonly recent: Scope;
  readonly gate: GateSettings;
  /** The part of `falseAlarm` that this look at one window may spend. */
  readonly levels: Readonly<Record<Window, number>>;
}

/** @param routes how many the class has; @param classes how many have a share */
export function judged(
  total: Scope,
  recent: Scope,
  gate: GateSettings,
  classes: number,
  routes: number,
): Judged {
  const seen = begun(total.canary);
  const part = scopePart(classes, total.route, routes);
  const level = (window: Window): number =>
    part * windowPart(window, seen, begun(recent.canary)) * lookLevel(gate.falseAlarm, window, seen);
  return { total, recent, gate, levels: { total: level("total"), recent: level("recent") } };
}

/** What one window shows of a metric. */
export interface Finding extends Pick<Check, "canary" | "stable" | "unit" | "samples"> {
  /** That chance alone has done what the canary may be blamed for. */
  readonly p: number;
  /** The same of what it may not be blamed for yet, and what is lacking, in a sentence. */
  readonly doubt?: { readonly p: number; readonly lacks: string } | null;
  /** What was seen; the verdict adds what is wrong with it. */
  readonly text: string;
  /** What a failing canary has exceeded, in words. */
  readonly allowed: string;
}

/** A check, and what it lacks before the canary can be blamed for what was seen. */
export interface Looked {
  readonly check: Check;
  readonly lacks: string | null;
}

/** `…, all of one group of clients: several must meet it before the canary is blamed`. */
export function lacksClients(seen: string, bitmap: number): string {
  return `${seen}, all of ${groupsText(bitmap)}: several must meet it before the canary is blamed`;
}

const LATELY: Readonly<Record<Window, string>> = { total: "", recent: " lately" };

/**
 * The check of one metric: fails when either window doubts that the canary is as good. It
 * is inconclusive below the gate's sample, and where too few clients met what would fail it.
 */
export function checkOf(
  metric: string,
  { total, gate, levels }: Judged,
  part: number,
  find: (window: Window) => Finding | null,
): Looked | null {
  const found = find("total");
  if (found === null) return null;
  const { traffic, route } = total;
  let lacks: string | null = null;
  for (const window of ["total", "recent"] as const) {
    const finding = window === "total" ? found : find("recent");
    const level = levels[window] * part;
    if (finding === null) continue;
    const { doubt = null } = finding;
    if (doubt !== null && doubt.p < level) lacks ??= doubt.lacks;
    if (finding.p >= level) continue;
    const { canary, stable, unit, samples, text, allowed } = finding;
    const reason = `${text}${LATELY[window]}; ${allowed}`;
    const check: Check = {
      metric,
      traffic,
      route,
      verdict: "fail",
      canary,
      stable,
      unit,
      samples,
      reason,
    };
    return { check, lacks: null };
  }
  const { canary, stable, unit, samples, text } = found;
  const verdict = lacks !== null || samples.canary < gate.minSample[traffic] ? "inconclusive" : "pass";
  const reason = lacks ?? text;
  return { check: { metric, traffic, route, verdict, canary, stable, unit, samples, reason }, lacks };
}
