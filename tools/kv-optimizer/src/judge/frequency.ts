import type { KvCall, TriggerKind } from "../model.ts";
import type { JudgeContext } from "./context.ts";
import { cronRate, rounded } from "./crons.ts";
import { loopsOn, repeats } from "./estimate.ts";

/** Why a call is made often, whatever it stores. */
export interface FrequencyEvidence {
  readonly rule:
    | "high-frequency/loop"
    | "high-frequency/request"
    | "high-frequency/message"
    | "high-frequency/cron";
  /** A clause. */
  readonly seen: string;
}

/** What makes a put, a delete or a list frequent; `null` when nothing does. Reads are cheap enough. */
export function readFrequency(call: KvCall, context: JudgeContext): FrequencyEvidence | null {
  if (call.operation === "get" || call.operation === "getWithMetadata") return null;
  return inLoop(call) ?? byTrigger(call) ?? byCron(call, context);
}

function inLoop(call: KvCall): FrequencyEvidence | null {
  const own = call.loops.find(repeats);
  if (own !== undefined) {
    return { rule: "high-frequency/loop", seen: `it stands in the loop at line ${own.line}` };
  }
  const loop = call.paths.flatMap((path) => loopsOn(path, call)).find(repeats);
  if (loop === undefined) return null;
  return { rule: "high-frequency/loop", seen: `it is reached from the loop at ${loop.file}:${loop.line}` };
}

const EACH: Readonly<Partial<Record<TriggerKind, FrequencyEvidence["rule"]>>> = {
  request: "high-frequency/request",
  rpc: "high-frequency/request",
  queue: "high-frequency/message",
  email: "high-frequency/message",
};

function byTrigger(call: KvCall): FrequencyEvidence | null {
  for (const { trigger, entry } of call.paths) {
    const rule = EACH[trigger];
    if (rule === undefined) continue;
    return { rule, seen: `it is reached from \`${entry}\`, for every ${wordFor(trigger)}` };
  }
  return null;
}

function wordFor(trigger: TriggerKind): string {
  return trigger === "rpc" ? "RPC call" : trigger === "queue" ? "message" : trigger;
}

function byCron(call: KvCall, { configs, fastCronMinutes }: JudgeContext): FrequencyEvidence | null {
  for (const { trigger, entry } of call.paths) {
    if (trigger !== "cron") continue;
    const { gapMinutes } = cronRate(entry, configs);
    if (gapMinutes === null || gapMinutes >= fastCronMinutes) continue;
    const often = gapMinutes === 1 ? "every minute" : `every ${rounded(gapMinutes)} minutes`;
    return { rule: "high-frequency/cron", seen: `a cron runs \`${entry}\` ${often}` };
  }
  return null;
}
