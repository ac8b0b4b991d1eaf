/** D1's Time Travel over the copies: what may be done at the same time, and what must wait. */
import type { TimeTravel } from "./contract.ts";
import { Dump } from "./d1-dump.ts";
import type { Snapshots } from "./d1-snapshots.ts";
import { Turns } from "./turns.ts";

export interface TimeTravelOptions {
  readonly snapshots: Snapshots;
  /** Has the data plane create the database's file when it is not there yet. */
  readonly touch: (databaseId: string) => Promise<void>;
  /** Runs work while no request is on its way to a Worker. */
  readonly hold: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Characters of SQL that are passed on at once. */
const CHUNK = 64 * 1024;

export class TimeTravels {
  readonly #options: TimeTravelOptions;
  readonly #turns = new Turns();

  constructor(options: TimeTravelOptions) {
    this.#options = options;
  }

  open(databaseId: string): TimeTravel {
    const { snapshots, touch, hold } = this.#options;
    return {
      bookmark: () =>
        this.#turns.take(async () => {
          await touch(databaseId);
          return await snapshots.take(databaseId);
        }),
      bookmarkAt: (at) => snapshots.at(databaseId, at),
      restore: (bookmark) =>
        this.#turns.take(async () => {
          // Before anything is held: most mistakes need no pause of the traffic.
          await snapshots.find(databaseId, bookmark);
          await touch(databaseId);
          return await hold(() => snapshots.restore(databaseId, bookmark));
        }),
      dump: async (bookmark, options) => {
        const file = await snapshots.find(databaseId, bookmark);
        new Dump(file, options).close();
        return chunks(() => new Dump(file, options));
      },
    };
  }

  drop(databaseId: string): Promise<void> {
    return this.#turns.take(() => this.#options.snapshots.drop(databaseId));
  }
}

/** Opens the file when the first chunk is asked for: a dump that nobody reads keeps nothing open. */
async function* chunks(open: () => Dump): AsyncGenerator<string> {
  const dump = open();
  try {
    let chunk = "";
    for (const statement of dump.statements()) {
      chunk += statement;
      if (chunk.length < CHUNK) continue;
      yield chunk;
      chunk = "";
    }
    if (chunk !== "") yield chunk;
  } finally {
    dump.close();
  }
}
