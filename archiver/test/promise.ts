/**
 * What must be read, what may be, and what must not: the model of the whole
 * archive. It knows messages, times and erasures, and nothing of files.
 */
import { DAY } from "./archiver.ts";

/** Whose records, and of which table. */
export interface Place {
  readonly dataset: string;
  readonly table: string;
}

/** A message as the queue was given it. */
export interface SentMessage extends Place {
  readonly id: string;
  /** ms UTC. */
  readonly acceptedAt: number;
  /** Each record as JSON. */
  readonly records: readonly string[];
}

/** An erasure as its receipt says. */
export interface SeenErasure {
  readonly id: string;
  readonly dataset: string;
  /** ms UTC. */
  readonly requestedAt: number;
}

type Standing =
  /** In the queue or among the dead letters, and certainly not stored. */
  | "sent"
  /** A delivery of it died: it may be stored. */
  | "perhaps-stored"
  | "stored"
  /** It was on its way when its dataset was erased: none of the copies of then may be stored. */
  | "refused"
  /** It was stored when its dataset was erased: it never comes back. */
  | "erased"
  /** Sent again after an erasure that it may or may not have been stored before. */
  | "open";

interface Entry extends Place {
  readonly records: readonly string[];
  /** Of its newest copy, ms UTC. */
  acceptedAt: number;
  standing: Standing;
  /** From when its retention counts at the earliest, ms UTC. */
  storedAt: number;
  /** Its expiry has been reached once: it may be gone. */
  mayBeGone: boolean;
}

/** The least and the most often that a record may be read. */
export interface Bounds {
  least: number;
  most: number;
}

/** A file leaves the readers this much before its retention ends. */
const EXPIRY_MARGIN_MS = 3_600_000;

export class Promises {
  readonly #entries = new Map<string, Entry>();
  readonly #erasures = new Map<string, SeenErasure>();

  /** The queue has a message, or another copy of it. */
  sent({ id, dataset, table, records, acceptedAt }: SentMessage): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      this.#entries.set(id, {
        dataset,
        table,
        records,
        acceptedAt,
        standing: "sent",
        storedAt: Number.POSITIVE_INFINITY,
        mayBeGone: false,
      });
      return;
    }
    entry.acceptedAt = Math.max(entry.acceptedAt, acceptedAt);
    if (entry.standing === "refused" && !this.#isErased(dataset, acceptedAt)) {
      entry.standing = Number.isFinite(entry.storedAt) ? "open" : "sent";
    }
  }

  /** A delivery of a message died, or goes on: nobody knows how far it came. */
  attempted({ id, dataset, acceptedAt }: SentMessage, now: number): void {
    const entry = this.#entries.get(id);
    if (entry?.standing !== "sent" || this.#isErased(dataset, acceptedAt)) return;
    entry.standing = "perhaps-stored";
    entry.storedAt = now;
  }

  /** A message was delivered and acknowledged. */
  delivered({ id, dataset, acceptedAt }: SentMessage, now: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || this.#isErased(dataset, acceptedAt)) return;
    if (entry.standing !== "sent" && entry.standing !== "perhaps-stored") return;
    entry.standing = "stored";
    entry.storedAt = Math.min(entry.storedAt, now);
  }

  /** An erasure has begun. */
  erased(erasure: SeenErasure): void {
    if (this.#erasures.has(erasure.id)) return;
    this.#erasures.set(erasure.id, erasure);
    for (const entry of this.#entries.values()) {
      if (entry.dataset === erasure.dataset) entry.standing = afterErasure(entry, erasure);
    }
  }

  /** The clock or the stack's expiry has moved. @param expiryDays `null` for never */
  aged(expiryDays: number | null, now: number): void {
    if (expiryDays === null) return;
    for (const entry of this.#entries.values()) {
      if (entry.storedAt + expiryDays * DAY - EXPIRY_MARGIN_MS <= now) entry.mayBeGone = true;
    }
  }

  /** How often each record of a dataset may be read. @param isExpired whether a message's retention has surely ended */
  bounds({ dataset, table }: Place, isExpired: (id: string) => boolean): ReadonlyMap<string, Bounds> {
    const bounds = new Map<string, Bounds>();
    for (const [id, entry] of this.#entries) {
      if (entry.dataset !== dataset || entry.table !== table) continue;
      const { least, most } = boundsOf(entry);
      for (const record of entry.records) {
        const sum = bounds.get(record) ?? { least: 0, most: 0 };
        sum.least += least;
        sum.most += isExpired(id) ? 0 : most;
        bounds.set(record, sum);
      }
    }
    return bounds;
  }

  /** Messages of which nobody knows yet whether they are stored, although all of them have been delivered. */
  get unsettled(): readonly string[] {
    const erased = new Set([...this.#erasures.values()].map(({ dataset }) => dataset));
    return [...this.#entries]
      .filter(
        ([, { standing, dataset }]) =>
          standing === "perhaps-stored" || (standing === "sent" && !erased.has(dataset)),
      )
      .map(([id]) => id);
  }

  #isErased(dataset: string, acceptedAt: number): boolean {
    return [...this.#erasures.values()].some(
      (erasure) => erasure.dataset === dataset && erasure.requestedAt >= acceptedAt,
    );
  }
}

function afterErasure({ standing, acceptedAt }: Entry, { requestedAt }: SeenErasure): Standing {
  const isOlder = acceptedAt <= requestedAt;
  switch (standing) {
    case "stored":
      return isOlder ? "erased" : "open";
    case "sent":
      return isOlder ? "refused" : "sent";
    case "perhaps-stored":
    case "open":
      return isOlder ? "refused" : "open";
    case "refused":
    case "erased":
      return standing;
  }
}

function boundsOf({ standing, mayBeGone }: Entry): Readonly<Bounds> {
  switch (standing) {
    case "stored":
      return { least: mayBeGone ? 0 : 1, most: 1 };
    case "perhaps-stored":
    case "open":
      return { least: 0, most: 1 };
    case "sent":
    case "refused":
    case "erased":
      return { least: 0, most: 0 };
  }
}

/** What is wrong with records that were read at one moment. */
export function broken(bounds: ReadonlyMap<string, Bounds>, found: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const record of found) counts.set(record, (counts.get(record) ?? 0) + 1);
  const wrong: string[] = [];
  for (const record of new Set([...bounds.keys(), ...counts.keys()])) {
    const { least, most } = bounds.get(record) ?? { least: 0, most: 0 };
    const count = counts.get(record) ?? 0;
    if (count < least || count > most) {
      wrong.push(`${count} times, not ${least} to ${most}: ${record.slice(0, 200)}`);
    }
  }
  return wrong;
}
