/** SQL of the background lanes. */
import type { BackgroundOrder, BackgroundSeries, BackgroundTally } from "./contract.ts";

export type Route = BackgroundSeries["route"];

/** An order that gives the canary a share now. */
export interface OpenOrder {
  readonly rolloutId: string;
  readonly phase: number;
  /** Percent, above 0. */
  readonly share: number;
  /** ms. */
  readonly overdueMs: number;
}

/** @returns `null` when the canary has no share at this moment */
export async function readOpenOrder(db: D1Database, now: number): Promise<OpenOrder | null> {
  return db
    .prepare(
      `SELECT rollout_id AS rolloutId, phase, share, overdue_ms AS overdueMs
       FROM background_orders WHERE expires_at > ?1 AND share > 0`,
    )
    .bind(now)
    .first<OpenOrder>();
}

/**
 * An order without a rollout keeps the name of the one before it, so that a
 * delayed order of that one is known as such. Revisions begin anew only when the
 * hub's rollout object was lost; then its orders count from when the old one has run out.
 */
const PUT_ORDER = `
  INSERT INTO background_orders (name, rollout_id, phase, revision, share, overdue_ms, expires_at)
  VALUES ('background', coalesce(?1, ''), ?2, ?3, ?4, ?5, ?7 + ?6)
  ON CONFLICT (name) DO UPDATE SET
    rollout_id = coalesce(?1, rollout_id), phase = excluded.phase, revision = excluded.revision,
    share = excluded.share, overdue_ms = excluded.overdue_ms, expires_at = excluded.expires_at
  WHERE excluded.revision >= revision OR (expires_at <= ?7 AND excluded.rollout_id <> rollout_id)`;

/** What both lanes add to: sums, and the histograms' buckets one by one. */
const ADD_UP = `
  ON CONFLICT (rollout_id, phase, lane, route) DO UPDATE SET
    requests = requests + excluded.requests,
    errors = errors + excluded.errors,
    exceptions = exceptions + excluded.exceptions,
    overdue = overdue + excluded.overdue,
    deliveries = deliveries + excluded.deliveries,
    failed_deliveries = failed_deliveries + excluded.failed_deliveries,
    latency = (SELECT json_group_array(json_array(bucket, counted)) FROM
      (SELECT value ->> 0 AS bucket, sum(value ->> 1) AS counted FROM
        (SELECT value FROM json_each(background_counts.latency)
         UNION ALL SELECT value FROM json_each(excluded.latency))
       GROUP BY 1))`;

const COLUMNS = `rollout_id, phase, lane, route, requests, errors, exceptions, overdue,
                 deliveries, failed_deliveries, latency`;

/** Hand-overs whose invocation died are the canary's exceptions: it is what they were waiting for. */
const COUNT_DEAD = `
  INSERT INTO background_counts (${COLUMNS})
  SELECT rollout_id, phase, 'canary', route, sum(requests), sum(requests), count(*), 0, count(*), count(*), '[]'
  FROM background_handovers
  WHERE due_at <= ?1 AND rollout_id = (SELECT rollout_id FROM background_orders)
  GROUP BY rollout_id, phase, route ${ADD_UP}`;

/** Earlier rollouts leave a few rows each; the next call goes on where this one stops. */
const FORGET_LIMIT = 200;

const forget = (db: D1Database, table: string): D1PreparedStatement =>
  db
    .prepare(
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table}
         WHERE rollout_id <> (SELECT rollout_id FROM background_orders) LIMIT ?1)`,
    )
    .bind(FORGET_LIMIT);

interface CountsRow extends Omit<BackgroundSeries, "latency"> {
  readonly latency: string;
}

/**
 * Takes an order and reads the counts of its phase, in one transaction of seven statements.
 * @param now ms UTC
 */
export async function exchangeOrder(
  db: D1Database,
  order: BackgroundOrder,
  now: number,
): Promise<BackgroundTally> {
  const { rolloutId, phase, revision, overdueMs, validMs } = order;
  const share = rolloutId === null ? 0 : order.share;
  const [put, , , , , inForce, counted] = await db.batch([
    db.prepare(PUT_ORDER).bind(rolloutId, phase, revision, share, overdueMs, validMs, now),
    db.prepare(COUNT_DEAD).bind(now),
    db.prepare("DELETE FROM background_handovers WHERE due_at <= ?1").bind(now),
    forget(db, "background_counts"),
    forget(db, "background_probes"),
    db.prepare("SELECT revision FROM background_orders"),
    db.prepare(COUNTS).bind(rolloutId, phase),
  ]);
  const [current] = (inForce?.results ?? []) as readonly { readonly revision: number }[];
  const rows = (counted?.results ?? []) as readonly CountsRow[];
  return {
    rolloutId,
    phase,
    revision: current?.revision ?? revision,
    accepted: put?.meta.changes === 1,
    series: rows.map((row) => ({ ...row, latency: readHistogram(JSON.parse(row.latency)) })),
  };
}

const COUNTS = `
  SELECT lane, route, requests, errors, exceptions, overdue, deliveries,
         failed_deliveries AS failedDeliveries, latency
  FROM background_counts WHERE rollout_id = ?1 AND phase = ?2 ORDER BY lane, route`;

function readHistogram(pairs: readonly (readonly [number, number])[]): BackgroundSeries["latency"] {
  return pairs.toSorted(([first], [second]) => first - second);
}

/** Work that is given to the canary. */
export interface Handover extends Pick<OpenOrder, "rolloutId" | "phase"> {
  readonly id: string;
  readonly route: Route;
  /** Messages, or 1 run. */
  readonly requests: number;
  /** ms UTC; whoever has not counted it then has died over it. */
  readonly dueAt: number;
}

/** Notes a hand-over before it happens, so that it is counted even when this invocation dies of it. */
export async function noteHandover(db: D1Database, handover: Handover): Promise<void> {
  const { id, rolloutId, phase, route, requests, dueAt } = handover;
  await db
    .prepare(
      `INSERT INTO background_handovers (id, rollout_id, phase, route, requests, due_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
    )
    .bind(id, rolloutId, phase, route, requests, dueAt)
    .run();
}

/**
 * Adds to the counts of a rollout, unless another has begun since.
 * @param handover id of the hand-over that this settles, `null` for none; one that counts as dead is not counted again
 */
export async function addCounts(
  db: D1Database,
  { rolloutId, phase }: Pick<OpenOrder, "rolloutId" | "phase">,
  counts: BackgroundSeries,
  handover: string | null,
): Promise<void> {
  const add = db
    .prepare(
      `INSERT INTO background_counts (${COLUMNS})
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
       WHERE ?5 > 0 AND EXISTS (SELECT 1 FROM background_orders WHERE rollout_id = ?1)
         AND (?12 IS NULL OR EXISTS (SELECT 1 FROM background_handovers WHERE id = ?12)) ${ADD_UP}`,
    )
    .bind(
      rolloutId,
      phase,
      counts.lane,
      counts.route,
      counts.requests,
      counts.errors,
      counts.exceptions,
      counts.overdue,
      counts.deliveries,
      counts.failedDeliveries,
      JSON.stringify(counts.latency),
      handover,
    );
  const settled = db.prepare("DELETE FROM background_handovers WHERE id = ?1").bind(handover);
  await db.batch(handover === null ? [add] : [add, settled]);
}

/** Runs of a phase's probe, as long as it fails. */
const MAX_PROBES = 3;

/** A probe that has not ended after so long has died. */
const PROBE_LIFE_MS = 60_000;

/**
 * Asks for the next run of a phase's probe: one caller gets it.
 * @param now ms UTC
 * @returns which run, from 1; `null` when there is none to be made
 */
export async function claimProbe(
  db: D1Database,
  { rolloutId, phase }: Pick<OpenOrder, "rolloutId" | "phase">,
  now: number,
): Promise<number | null> {
  const claimed = await db
    .prepare(
      `INSERT INTO background_probes (rollout_id, phase, runs, state, started_at) VALUES (?1, ?2, 1, 'running', ?3)
       ON CONFLICT (rollout_id, phase) DO UPDATE SET runs = runs + 1, state = 'running', started_at = ?3
       WHERE runs < ?4 AND (state = 'failed' OR (state = 'running' AND started_at <= ?3 - ?5))
       RETURNING runs`,
    )
    .bind(rolloutId, phase, now, MAX_PROBES, PROBE_LIFE_MS)
    .first<{ runs: number }>();
  return claimed?.runs ?? null;
}

/** Says how a claimed run of the probe has ended. */
export async function endProbe(
  db: D1Database,
  { rolloutId, phase }: Pick<OpenOrder, "rolloutId" | "phase">,
  run: number,
  state: "passed" | "failed",
): Promise<void> {
  await db
    .prepare("UPDATE background_probes SET state = ?4 WHERE rollout_id = ?1 AND phase = ?2 AND runs = ?3")
    .bind(rolloutId, phase, run, state)
    .run();
}
