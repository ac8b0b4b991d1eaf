/** What the rollout object keeps, in its own SQLite storage. */
import type { RolloutState } from "./contract.ts";
import { IDLE_STATE } from "./machine.ts";
import { RolloutStateSchema } from "./shapes.ts";

/** Isolates whose last batch number is kept; the one heard longest ago goes first. */
export const MAX_REPORTERS = 5_000;

const TABLES = `
  CREATE TABLE IF NOT EXISTS rollout (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS reporters (
    turn INTEGER PRIMARY KEY AUTOINCREMENT,
    reporter TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL
  );
`;

/** Reads and writes without awaiting, so that what one call writes is one transaction. */
export class RolloutStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLES);
  }

  /** @throws ZodError when the stored state is not one */
  load(): RolloutState {
    const [row] = this.#sql.exec<{ state: string }>("SELECT state FROM rollout").toArray();
    return row === undefined ? IDLE_STATE : RolloutStateSchema.parse(JSON.parse(row.state));
  }

  save(state: RolloutState): void {
    this.#sql.exec(
      "INSERT INTO rollout (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
      JSON.stringify(state),
    );
  }

  /** Whether a batch number is new for its reporter; it is not new from then on. */
  admit(reporter: string, sequence: number): boolean {
    const [last] = this.#sql
      .exec<{ sequence: number }>("SELECT sequence FROM reporters WHERE reporter = ?", reporter)
      .toArray();
    if (last !== undefined && sequence <= last.sequence) return false;
    this.#sql.exec("REPLACE INTO reporters (reporter, sequence) VALUES (?, ?)", reporter, sequence);
    this.#sql.exec(
      "DELETE FROM reporters WHERE turn <= (SELECT max(turn) FROM reporters) - ?",
      MAX_REPORTERS,
    );
    return true;
  }

  /** Batches of an earlier phase are told by their phase; their numbers are of no more use. */
  forgetReporters(): void {
    this.#sql.exec("DELETE FROM reporters");
  }
}
