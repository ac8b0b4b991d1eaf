/** What a baseline keeps of a finding. */
import { z } from "zod";
import { CATEGORIES, OPERATIONS, type Finding, type Judgement, type Ttl } from "../model.ts";

export const TTL_VERDICTS = ["yes", "no", "unknown"] as const;

/** One accepted call. The file is a hint for people; nothing is decided by it. */
export const entrySchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/, "must be 16 hexadecimal digits"),
  operation: z.enum(OPERATIONS),
  bindings: z.array(z.string()).readonly(),
  keys: z.array(z.string()).readonly(),
  /** `null` but for puts. */
  ttl: z.enum(TTL_VERDICTS).nullable(),
  category: z.enum(CATEGORIES),
  file: z.string(),
});
export type Entry = Readonly<z.infer<typeof entrySchema>>;

function byId(a: Entry, b: Entry): number {
  return a.id < b.id ? -1 : Number(a.id > b.id);
}

/** What of a finding, here or in a report that was read, makes an entry. */
type Acceptable = Pick<Finding, "id" | "operation" | "bindings" | "keys" | "file" | "ignored"> & {
  readonly ttl: Pick<Ttl, "verdict"> | null;
  readonly judgement: Pick<Judgement, "category">;
};

/**
 * The entries of findings, by id. Ignored findings have none: an ignore comment
 * that goes away brings a new call.
 */
export function entriesOf(findings: readonly Acceptable[]): readonly Entry[] {
  return findings
    .filter(({ ignored }) => ignored === null)
    .map(({ id, operation, bindings, keys, ttl, judgement, file }) => ({
      id,
      operation,
      bindings,
      keys,
      ttl: ttl?.verdict ?? null,
      category: judgement.category,
      file,
    }))
    .sort(byId);
}

/** The four figures of the original tool. */
export const FIGURES = ["calls", "puts", "putsWithoutTtl", "lists"] as const;
export type Figure = (typeof FIGURES)[number];
export type Figures = Readonly<Record<Figure, number>>;

/** The four figures of a set of entries. */
export function figuresOf(entries: readonly Entry[]): Figures {
  const puts = entries.filter(({ operation }) => operation === "put");
  return {
    calls: entries.length,
    puts: puts.length,
    putsWithoutTtl: puts.filter(({ ttl }) => ttl === "no").length,
    lists: entries.filter(({ operation }) => operation === "list").length,
  };
}
