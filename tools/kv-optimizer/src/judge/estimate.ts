import type { CallPath, Estimate, KvCall, Loop, TriggerKind } from "../model.ts";
import type { JudgeContext } from "./context.ts";
import { cronRate, rounded } from "./crons.ts";

/** Far above what an account could do, and still exact in JSON. */
const MOST_PER_DAY = 1e15;

/**
 * Operations a day of a call: for each path that reaches it, how often its trigger fires times
 * how often its loops run, summed. An annotated rate replaces all of that. A call with several
 * keys (bulk get) counts once, and so does a list.
 */
export function estimate(call: KvCall, context: JudgeContext): Estimate {
  if (call.ratePerDay !== null) {
    return { perDay: call.ratePerDay, basis: [`It is annotated with ${rounded(call.ratePerDay)} a day.`] };
  }
  if (call.paths.length === 0) return { perDay: null, basis: ["No handler is known to reach it."] };

  const basis: string[] = [];
  const rates: number[] = [];
  for (const path of call.paths) {
    const trigger = triggerRate(path, context);
    basis.push(trigger.basis);
    if (trigger.perDay === null) continue;
    const loops = loopsOn(path, call);
    for (const loop of loops) basis.push(loopBasis(loop, context));
    rates.push(loops.reduce((rate, loop) => rate * timesOf(loop, context), trigger.perDay));
  }
  const sentences = [...new Set(basis)];
  if (rates.length === 0) return { perDay: null, basis: sentences };
  const perDay = Math.min(sumOf(rates), MOST_PER_DAY);
  if (rates.length > 1) sentences.push(`${rates.length} ways lead to it, which add up.`);
  return { perDay, basis: sentences };
}

/** A sum that does not depend on the order. */
export function sumOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b).reduce((sum, value) => sum + value, 0);
}

/** The loops on a path and in the call's own function, each once. */
export function loopsOn(path: CallPath, call: KvCall): readonly Loop[] {
  const loops = new Map([...path.loops, ...call.loops].map((loop) => [placeOf(loop), loop]));
  return [...loops.values()];
}

/** Whether a loop may run more than once. */
export function repeats({ count }: Loop): boolean {
  return !isCount(count) || count > 1;
}

interface TriggerRate {
  readonly perDay: number | null;
  readonly basis: string;
}

function triggerRate({ trigger, entry }: CallPath, context: JudgeContext): TriggerRate {
  switch (trigger) {
    case "cron":
      return cronRate(entry, context.configs);
    case "request":
    case "rpc":
      return assumed(context.requestsPerDay, trigger, entry);
    case "queue":
    case "alarm":
    case "email":
      return assumed(context.messagesPerDay, trigger, entry);
    case "startup":
      return { perDay: null, basis: "How often a Worker starts is not known." };
  }
}

const MANY: Readonly<Record<Exclude<TriggerKind, "cron" | "startup">, string>> = {
  request: "requests",
  rpc: "RPC calls",
  queue: "queue messages",
  alarm: "alarms",
  email: "emails",
};

function assumed(perDay: number, trigger: keyof typeof MANY, entry: string): TriggerRate {
  return {
    perDay,
    basis: `${rounded(perDay)} ${MANY[trigger]} a day are assumed to reach it through \`${entry}\`.`,
  };
}

function timesOf({ count }: Loop, { loopCount }: JudgeContext): number {
  return isCount(count) ? count : loopCount;
}

function loopBasis(loop: Loop, { loopCount }: JudgeContext): string {
  return isCount(loop.count)
    ? `The loop at ${placeOf(loop)} runs ${rounded(loop.count)} times.`
    : `The loop at ${placeOf(loop)} is assumed to run ${rounded(loopCount)} times.`;
}

function isCount(count: number | null): count is number {
  return count !== null && Number.isFinite(count) && count >= 0;
}

function placeOf({ file, line, column }: Loop): string {
  return `${file}:${line}:${column}`;
}
