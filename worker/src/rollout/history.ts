/** The rollout history in D1. It is a mirror: losing a row loses no decision. */
import { desc, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { RolloutState, RolloutTransition } from "./contract.ts";
import { rolloutHistory } from "./schema.ts";

/** One transition, of one rollout. */
export interface HistoryEntry extends RolloutTransition {
  readonly rolloutId: string;
  readonly tag: string;
}

/** Writes the transition that led to a state; a repeat changes nothing. */
export async function recordTransition(database: D1Database, state: RolloutState): Promise<void> {
  const last = state.transitions.at(-1);
  if (state.id === null || state.release === null || last === undefined || last.status === "idle") return;
  await drizzle(database)
    .insert(rolloutHistory)
    .values({
      rolloutId: state.id,
      status: last.status,
      phase: last.phase,
      tag: state.release.tag,
      at: Date.parse(last.at),
      readShare: last.shares.read,
      writeShare: last.shares.write,
      reason: last.reason,
    })
    .onConflictDoNothing();
}

function phaseOf(value: number): RolloutTransition["phase"] {
  switch (value) {
    case 1:
    case 2:
    case 3:
      return value;
    default:
      return 0;
  }
}

/** The newest transitions of all rollouts, newest first. */
export async function readHistory(database: D1Database, limit: number): Promise<HistoryEntry[]> {
  const rows = await drizzle(database)
    .select()
    .from(rolloutHistory)
    .orderBy(desc(rolloutHistory.at), desc(sql`rowid`))
    .limit(limit);
  return rows.map((row) => ({
    rolloutId: row.rolloutId,
    tag: row.tag,
    at: new Date(row.at).toISOString(),
    status: row.status,
    phase: phaseOf(row.phase),
    shares: { read: row.readShare, write: row.writeShare },
    reason: row.reason,
  }));
}
