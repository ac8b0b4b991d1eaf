/** One round of the battery: a release under load, what became of it, and whom it harmed. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { RolloutPlan, RolloutState } from "../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../lib/environment.ts";
import { CliError, EXIT } from "../lib/exit.ts";
import { release } from "../lib/release/release.ts";
import { openHub } from "../lib/rollout/hub.ts";
import { variantSource, type Kind } from "./kinds.ts";
import type { Counted, Load } from "./load.ts";

/** How a release ended. */
export type Fate =
  | "promoted"
  /** By the judge, under traffic. */
  | "taken back"
  /** By the judge, before any traffic: by copies of reads. */
  | "copies"
  /** By the smoke check, before any traffic. */
  | "smoke"
  /** By the platform, at its upload. */
  | "refused"
  | "held"
  | "failed";

export interface Round {
  readonly kind: Kind;
  readonly fate: Fate;
  /** Where it was taken back; 0 before the first phase. */
  readonly phase: number;
  /** From the first harm, seen by the judge or a client, until the lane was closed. */
  readonly secondsToZero: number | null;
  /** From the first copy of a read until copies had shown it; the canary's share was 0 % all the time. */
  readonly secondsOfCopies: number | null;
  /** Client requests during the whole release that failed, were wrong, or took longer than they should. */
  readonly harmed: number;
  readonly counted: Counted;
  readonly reason: string;
}

export interface RoundOptions {
  readonly context: ReleaseContext;
  readonly load: Load;
  readonly plan: RolloutPlan;
  /** Where variants are written. */
  readonly directory: string;
}

const POLL_MS = 200;
/** What the canary still answers comes within this time, in milliseconds. */
const SETTLE_MS = 2_000;

async function writeVariant(directory: string, root: string, kind: Kind): Promise<string> {
  await mkdir(directory, { recursive: true });
  const main = kind.worker === "hub" ? "worker/src/index.ts" : "archiver/src/index.ts";
  const file = path.join(directory, `${kind.name.replaceAll(/[^a-z0-9]+/gi, "-")}.ts`);
  const entry = path.relative(directory, path.join(root, main));
  await writeFile(file, variantSource(kind, entry.startsWith(".") ? entry : `./${entry}`));
  return file;
}

function fateOf(error: unknown, state: RolloutState | null, rolloutId: string | null): Fate {
  if (error === null) return "promoted";
  if (!(error instanceof CliError)) return "failed";
  const own = state !== null && state.id !== rolloutId;
  const began = own && state.phase > 0;
  switch (error.exitCode) {
    case EXIT.rolledBack:
      if (own && !began && state.phaseStartedAt !== null) return "copies";
      return began ? "taken back" : "smoke";
    case EXIT.held:
      return "held";
    default:
      return began ? "failed" : "refused";
  }
}

function secondsOfCopies({ closedAt, phaseStartedAt }: RolloutState): number | null {
  if (closedAt === null || phaseStartedAt === null) return null;
  return (Date.parse(closedAt) - Date.parse(phaseStartedAt)) / 1000;
}

function secondsToZero(state: RolloutState, { harmedAt }: Counted): number | null {
  const { closedAt, startedAt, firstErrorAt } = state;
  if (closedAt === null || startedAt === null) return null;
  const began = Date.parse(startedAt);
  const seen = [
    ...(firstErrorAt === null ? [] : [Date.parse(firstErrorAt)]),
    ...harmedAt.filter((at) => at >= began),
  ];
  const closed = Date.parse(closedAt);
  return seen.length === 0 ? 0 : Math.max(0, closed - Math.min(...seen)) / 1000;
}

/** Releases one kind under load. Never throws for what the release does. */
export async function round(kind: Kind, { context, load, plan, directory }: RoundOptions): Promise<Round> {
  const main = await writeVariant(directory, context.root, kind);
  const hub = await openHub(context);
  const before = (await hub.state()).id;
  load.start();
  let error: unknown = null;
  try {
    await release(context, kind.worker, { main: { [kind.worker]: main }, plan, pollMs: POLL_MS });
  } catch (thrown) {
    error = thrown;
  }
  await context.clock.sleep(SETTLE_MS, context.signal);
  const counted = await load.stop();
  const state = await hub.state();
  const fate = fateOf(error, state, before);
  const own = state.id === before ? null : state;
  return {
    kind,
    fate,
    phase: own?.phase ?? 0,
    secondsToZero: own === null || fate !== "taken back" ? null : secondsToZero(own, counted),
    secondsOfCopies: own === null || fate !== "copies" ? null : secondsOfCopies(own),
    harmed: counted.failed + counted.wrong + counted.slow,
    counted,
    reason: error instanceof Error ? error.message : "",
  };
}
