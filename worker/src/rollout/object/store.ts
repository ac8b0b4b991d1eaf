/** What the rollout object keeps, in its own SQLite storage. */
import type { RolloutState } from "../contract.ts";
import { RECENT_INTERVALS, type EvidenceSnapshot } from "./evidence.ts";

const INTERVAL_ROWS = RECENT_INTERVALS + 1;

/** Kept of a channel at most; the oldest messages go first. History rows are small and kept longer. */
export const MAX_WAITING = { notice: 200, history: 2_000 } as const;

const TABLES = `
  CREATE TABLE IF NOT EXISTS rollout (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS set_aside (at INTEGER NOT NULL, state TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS evidence (part TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    message TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE IF NOT EXISTS asks (
    ask TEXT PRIMARY KEY,
    round INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
`;
/** From before: report numbers are kept with the evidence now. */
const FORMER_TABLES = "DROP TABLE IF EXISTS reporters";

/** Something that waits to be delivered. */
export interface Waiting {
  readonly seq: number;
  readonly channel: string;
  readonly message: string;
  /** Failed tries. */
  readonly tries: number;
  /** Not to be tried before, in milliseconds since the epoch. */
  readonly due: number;
}

type Row<T> = { [K in keyof T]: T[K] & SqlStorageValue };

/** Reads and writes without awaiting, so that what one call writes is one transaction. */
export class RolloutStore {
  readonly #storage: Pick<DurableObjectStorage, "sql" | "transactionSync">;
  readonly #written = new Map<string, string>();

  constructor(storage: Pick<DurableObjectStorage, "sql" | "transactionSync">) {
    this.#storage = storage;
    this.#sql.exec(TABLES);
    this.#sql.exec(FORMER_TABLES);
  }

  get #sql(): SqlStorage {
    return this.#storage.sql;
  }

  /** All of what `work` writes, or nothing of it. */
  atomically<T>(work: () => T): T {
    return this.#storage.transactionSync(work);
  }

  /** The stored state's text; `null` before any rollout. */
  stateText(): string | null {
    const [row] = this.#sql.exec<{ state: string }>("SELECT state FROM rollout").toArray();
    return row?.state ?? null;
  }

  saveState(state: RolloutState): void {
    this.#sql.exec(
      "INSERT INTO rollout (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
      JSON.stringify(state),
    );
  }

  /** Keeps a state that cannot be read where the next one does not overwrite it; the newest three are kept. */
  setAside(at: number, text: string): void {
    this.#sql.exec("INSERT INTO set_aside (at, state) VALUES (?, ?)", at, text);
    this.#sql.exec(
      "DELETE FROM set_aside WHERE rowid NOT IN (SELECT rowid FROM set_aside ORDER BY rowid DESC LIMIT 3)",
    );
  }

  /** The parts of the evidence as they were written, by name. */
  evidenceParts(): ReadonlyMap<string, string> {
    const rows = this.#sql
      .exec<{ part: string; value: string }>("SELECT part, value FROM evidence")
      .toArray();
    return new Map(rows.map(({ part, value }) => [part, value]));
  }

  /** Writes the parts that have changed, each in a row of its own: a row holds 2 MB. An interval keeps its row. */
  saveEvidence({ rolloutId, phase, recent, ...parts }: EvidenceSnapshot): void {
    const values = new Map<string, unknown>(Object.entries({ head: { rolloutId, phase }, ...parts }));
    for (const interval of recent) values.set(`interval-${interval.number % INTERVAL_ROWS}`, interval);
    this.atomically(() => {
      for (const [part, value] of values) this.#saveEvidencePart(part, JSON.stringify(value));
      this.#sql.exec(
        "DELETE FROM evidence WHERE part NOT IN (SELECT value FROM json_each(?))",
        JSON.stringify([...values.keys()]),
      );
    });
  }

  #saveEvidencePart(part: string, value: string): void {
    if (this.#written.get(part) === value) return;
    this.#written.delete(part);
    this.#sql.exec(
      "INSERT INTO evidence (part, value) VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET value = excluded.value",
      part,
      value,
    );
    this.#written.set(part, value);
  }

  /** Puts a message behind those of its channel. Returns how many of the oldest had to go. */
  enqueue(channel: string, message: string, bound: number): number {
    this.#sql.exec("INSERT INTO outbox (channel, message) VALUES (?, ?)", channel, message);
    return this.#sql.exec(
      `DELETE FROM outbox WHERE channel = ?1 AND seq NOT IN
        (SELECT seq FROM outbox WHERE channel = ?1 ORDER BY seq DESC LIMIT ?2)`,
      channel,
      bound,
    ).rowsWritten;
  }

  /** The oldest messages of a channel, in order. */
  waiting(channel: string, limit: number): readonly Waiting[] {
    return this.#sql
      .exec<Row<Waiting>>("SELECT * FROM outbox WHERE channel = ? ORDER BY seq LIMIT ?", channel, limit)
      .toArray();
  }

  waitingChannels(): readonly string[] {
    return this.#sql
      .exec<{ channel: string }>("SELECT DISTINCT channel FROM outbox ORDER BY channel")
      .toArray()
      .map(({ channel }) => channel);
  }

  /** When the next message may be tried, in milliseconds since the epoch; `null`: none waits. */
  nextDue(): number | null {
    const [row] = this.#sql
      .exec<{ due: number | null }>(
        "SELECT min(due) AS due FROM outbox WHERE seq IN (SELECT min(seq) FROM outbox GROUP BY channel)",
      )
      .toArray();
    return row?.due ?? null;
  }

  delivered(seqs: readonly number[]): void {
    this.#sql.exec("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))", JSON.stringify(seqs));
  }

  postpone(seqs: readonly number[], due: number): void {
    this.#sql.exec(
      "UPDATE outbox SET tries = tries + 1, due = ? WHERE seq IN (SELECT value FROM json_each(?))",
      due,
      JSON.stringify(seqs),
    );
  }

  /** Which time a question is asked, from 1: the same again until it was answered. */
  askRound(ask: string): number {
    const [row] = this.#sql
      .exec<{ round: number }>(
        `INSERT INTO asks (ask, round) VALUES (?, 1)
          ON CONFLICT (ask) DO UPDATE SET round = round + answered, answered = 0 RETURNING round`,
        ask,
      )
      .toArray();
    return row?.round ?? 1;
  }

  askAnswered(ask: string): void {
    this.#sql.exec("UPDATE asks SET answered = 1 WHERE ask = ?", ask);
  }

  /** Those of a rollout before are of no more use. */
  forgetAsks(): void {
    this.#sql.exec("DELETE FROM asks");
  }
}
