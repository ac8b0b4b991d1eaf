/** The rollout history in D1. It is a mirror: losing a row loses no decision. */
import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { RolloutTransition } from "../contract.ts";
import { rolloutTransitions } from "./schema.ts";

/** One transition, of one rollout. */
export interface HistoryEntry extends RolloutTransition {
  readonly rolloutId: string;
  readonly revision: number;
  readonly tag: string;
}

/** One parameter for all rows: D1 takes 100 at most. `OR IGNORE`, so that a repeat changes nothing. */
const RECORD = `
  INSERT OR IGNORE INTO rollout_transitions
    (rollout_id, revision, at, status, phase, read_share, write_share, background_share, reason, "by", tag)
  SELECT value ->> 'rolloutId', value ->> 'revision', value ->> 'at', value ->> 'status', value ->> 'phase',
    value ->> 'read', value ->> 'write', value ->> 'background', value ->> 'reason', value ->> 'by', value ->> 'tag'
  FROM json_each(?)`;

/** Writes transitions in one statement. */
export async function recordTransitions(
  database: D1Database,
  entries: readonly HistoryEntry[],
): Promise<void> {
  const rows = entries.map(({ at, shares, ...entry }) => ({ ...entry, ...shares, at: Date.parse(at) }));
  await database.prepare(RECORD).bind(JSON.stringify(rows)).run();
}

/**
 * The newest transitions, newest first.
 * @param rolloutId of that rollout only; `null`: of all
 */
export async function readHistory(
  database: D1Database,
  limit: number,
  rolloutId: string | null = null,
): Promise<HistoryEntry[]> {
  const rows = await drizzle(database)
    .select()
    .from(rolloutTransitions)
    .where(and(rolloutId === null ? undefined : eq(rolloutTransitions.rolloutId, rolloutId)))
    .orderBy(desc(rolloutTransitions.at), desc(rolloutTransitions.revision))
    .limit(limit);
  return rows.map(({ at, readShare, writeShare, backgroundShare, ...row }) => ({
    ...row,
    at: new Date(at).toISOString(),
    shares: { read: readShare, write: writeShare, background: backgroundShare },
  }));
}
