/** Messages that could not be stored: what they are, back to the queue with them, or away. */
import type {
  DeadLetter,
  DeadLetterChoice,
  DeadLetterOutcome,
  DeadLetterPage,
} from "../../../archiver/src/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Operator } from "./operator.ts";
import { bytes, count, printable, table } from "./text.ts";

/** Ids in one call. */
const IDS_A_CALL = 100;
const LETTERS_A_PAGE = 100;

export interface DeadLetterList {
  readonly letters: readonly DeadLetter[];
  readonly total: number;
}

/** @param limit of letters */
export async function listDeadLetters({ archive }: Operator, limit: number): Promise<DeadLetterList> {
  const letters: DeadLetter[] = [];
  let page: DeadLetterPage;
  let after: number | null = null;
  do {
    page = await archive.deadLetters(after, Math.min(LETTERS_A_PAGE, limit - letters.length));
    letters.push(...page.letters);
    after = page.next;
  } while (after !== null && page.letters.length > 0 && letters.length < limit);
  return { letters, total: page.total };
}

export function deadLetterLines(letters: readonly DeadLetter[]): readonly string[] {
  return table([
    ["id", "received", "dataset", "table", "records", "size", "reason"],
    ...letters.map(({ id, receivedAt, datasetId, table: name, records, bytes: size, reason }) => [
      String(id),
      new Date(receivedAt).toISOString(),
      printable(datasetId ?? "?"),
      printable(name ?? "?"),
      records === null ? "?" : count(records),
      bytes(size),
      printable(reason),
    ]),
  ]);
}

/** Those of the ids that no dead letter has, in ascending order. */
export async function missingLetters(
  { archive }: Operator,
  ids: readonly number[],
): Promise<readonly number[]> {
  const missing: number[] = [];
  const wanted = [...new Set(ids)].sort((one, other) => one - other);
  for (let [first] = wanted; first !== undefined; [first] = wanted) {
    const { letters, next } = await archive.deadLetters(first - 1, LETTERS_A_PAGE);
    const there = new Set(letters.map(({ id }) => id));
    // Pages come in the order of the ids: up to its last letter this one tells of them all.
    const seen = next === null ? Number.POSITIVE_INFINITY : Math.max(first, letters.at(-1)?.id ?? first);
    while (wanted[0] !== undefined && wanted[0] <= seen) {
      const id = wanted.shift();
      if (id !== undefined && !there.has(id)) missing.push(id);
    }
  }
  return missing;
}

export interface Settled extends DeadLetterOutcome {
  /** How many dead letters there are in all now. */
  readonly total: number;
}

/**
 * Sends back, or deletes, what was chosen, in as many calls as it takes.
 * @returns with those of the chosen that remain
 * @throws {CliError} when an id is none of a dead letter; nothing is done then
 */
export async function settleChosen(
  operator: Operator,
  action: "replay" | "purge",
  choice: DeadLetterChoice,
): Promise<Settled> {
  const missing = "ids" in choice ? await missingLetters(operator, choice.ids) : [];
  if (missing.length > 0) {
    throw new CliError(EXIT.failed, `No dead letter has the id ${missing.join(", ")}: nothing was done`, {
      hints: ["Those that there are: npm run archive:dead-letters -- list"],
      data: { missing },
    });
  }
  const outcome = await settleDeadLetters(operator, action, choice);
  const { total } = await operator.archive.deadLetters(null, 1);
  return { ...outcome, total };
}

/** Sends back, or deletes, what was chosen, in as many calls as it takes. */
export async function settleDeadLetters(
  { archive, tell }: Operator,
  action: "replay" | "purge",
  choice: DeadLetterChoice,
): Promise<DeadLetterOutcome> {
  const settle = (part: DeadLetterChoice): Promise<DeadLetterOutcome> =>
    action === "replay" ? archive.replay(part) : archive.purge(part);
  if ("ids" in choice) {
    let outcome = { done: 0, remaining: 0 };
    for (let start = 0; start < choice.ids.length; start += IDS_A_CALL) {
      const part = await settle({ ids: choice.ids.slice(start, start + IDS_A_CALL) });
      outcome = { done: outcome.done + part.done, remaining: outcome.remaining + part.remaining };
    }
    return outcome;
  }
  const first = await settle(choice);
  let outcome = first;
  // A letter that was sent back may come again: only as many as there were at first.
  const wanted = first.done + first.remaining;
  for (let part = first; part.done > 0 && part.remaining > 0 && outcome.done < wanted;) {
    tell(`${count(outcome.done)} of ${count(wanted)}`);
    part = await settle(choice);
    outcome = { done: outcome.done + part.done, remaining: part.remaining };
  }
  return outcome;
}
