/** A slow and obvious book of what was said to a rollout, for the property tests to hold the machine against. */
import type { Verdict } from "../contract.ts";
import type { Told } from "./arbitrary.ts";

/** What was said until a step, with the step itself, of the rollout and of the phase it was said in. */
export interface Entry {
  readonly told: Told;
  /** When the rollout came into the phase; before the first, when it began. */
  readonly enteredAt: string;
  /** Verdicts about the phase, oldest first. */
  readonly verdicts: readonly Verdict[];
  /** Those since it was last thawed. */
  readonly sinceThaw: readonly Verdict[];
  /** Webhooks that agreed in the phase. */
  readonly agreed: ReadonlySet<string>;
  /** Phases that somebody approved. */
  readonly approved: ReadonlySet<number>;
  /** Last phase that somebody allowed; `null`: all, and the promotion. */
  readonly limit: number | null;
  /** Scripts that have their former version again. */
  readonly returned: ReadonlySet<string>;
}

function opening(told: Told): Entry {
  const limit = told.command.kind === "start" ? told.command.upTo : null;
  const nothing = { verdicts: [], sinceThaw: [], agreed: new Set<string>(), returned: new Set<string>() };
  return { told, enteredAt: told.at, approved: new Set(), limit, ...nothing };
}

function fresh(entry: Entry): Entry {
  const { before, outcome, at } = entry.told;
  if (outcome.state.phase === before.phase) return entry;
  return { ...entry, enteredAt: at, verdicts: [], sinceThaw: [], agreed: new Set() };
}

/** Copies of reads that begin, for the first time or anew after a pause. */
function copiesBegun(entry: Entry, { before, outcome: { state }, at }: Told): Entry {
  if (state.phase > 0 || state.phaseStartedAt === before.phaseStartedAt) return entry;
  return { ...entry, enteredAt: at, verdicts: [], sinceThaw: [] };
}

function noted(former: Entry, told: Told): Entry {
  const entry = { ...copiesBegun(fresh(former), told), told };
  const { command, outcome, before } = told;
  if (outcome.kind !== "changed") return entry;
  switch (command.kind) {
    case "judged":
      return {
        ...entry,
        verdicts: [...entry.verdicts, command.judgement.verdict],
        sinceThaw: [...entry.sinceThaw, command.judgement.verdict],
      };
    case "webhook":
      return command.outcome === "agreed"
        ? { ...entry, agreed: new Set([...entry.agreed, command.name]) }
        : entry;
    case "approve":
      return { ...entry, approved: new Set([...entry.approved, command.phase]) };
    case "go-on":
      return { ...entry, limit: command.upTo };
    case "returned":
      return { ...entry, returned: new Set([...entry.returned, command.worker]) };
    case "promote":
    case "resume": {
      const thawed = before.status === "frozen" ? { ...entry, sinceThaw: [] } : entry;
      const next = before.phase === before.plan?.phases.length ? null : before.phase + 1;
      return before.pause?.why === "reached" ? { ...thawed, limit: next } : thawed;
    }
    default:
      return entry;
  }
}

/** The book of everything that was told, one entry a step, for each rollout from its start on. */
export function ledger(told: readonly Told[]): readonly Entry[] {
  const entries: Entry[] = [];
  for (const step of told) {
    const former = entries.at(-1);
    if (step.command.kind === "start" && step.outcome.kind === "changed") entries.push(opening(step));
    else if (former !== undefined) entries.push(noted(former, step));
  }
  return entries;
}

/** How many of the newest verdicts are that one. */
export function inARow(verdicts: readonly Verdict[], verdict: Verdict): number {
  const other = verdicts.findLastIndex((each) => each !== verdict);
  return verdicts.length - 1 - other;
}
