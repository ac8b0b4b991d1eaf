/** Compares what was sent with what was read back, as multisets of records. */

export interface Comparison {
  readonly sent: number;
  readonly read: number;
  /** Sent, but read fewer times than sent. */
  readonly lost: number;
  /** Read more often than sent, or never sent at all. */
  readonly doubled: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** A key that two records share exactly when every field is equal. */
function identity(record: Fields): string {
  return JSON.stringify(Object.entries(record).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

export function compareRecords(sent: readonly Fields[], read: readonly Fields[]): Comparison {
  const balance = new Map<string, number>();
  const add = (record: Fields, amount: number): void => {
    const key = identity(record);
    balance.set(key, (balance.get(key) ?? 0) + amount);
  };
  for (const record of sent) add(record, 1);
  for (const record of read) add(record, -1);
  let lost = 0;
  let doubled = 0;
  for (const rest of balance.values()) {
    if (rest > 0) lost += rest;
    else doubled -= rest;
  }
  return { sent: sent.length, read: read.length, lost, doubled };
}

/** The sum of several comparisons. */
export function addComparisons(parts: readonly Comparison[]): Comparison {
  const sum = (field: keyof Comparison): number => parts.reduce((total, part) => total + part[field], 0);
  return { sent: sum("sent"), read: sum("read"), lost: sum("lost"), doubled: sum("doubled") };
}
