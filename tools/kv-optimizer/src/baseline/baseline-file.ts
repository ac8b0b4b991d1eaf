/**
 * The baseline as a file. NDJSON, an entry a line, sorted: two branches that accept
 * different calls change different lines, and git's `union` merge keeps both.
 */
import { z } from "zod";
import { CATEGORIES, OPERATIONS } from "../model.ts";
import { neutralJson } from "../report/neutral.ts";
import { TTL_VERDICTS, entriesOf, entrySchema, type Entry } from "./entry.ts";

const HEADER = { "kv-optimizer": "baseline", version: 1 } as const;

const headerSchema = z.object({ "kv-optimizer": z.literal("baseline"), version: z.literal(1) });

/** What of a report of `scan --json` makes a baseline. */
const reportSchema = z.object({
  version: z.literal(1),
  findings: z.array(
    z.object({
      id: entrySchema.shape.id,
      operation: z.enum(OPERATIONS),
      bindings: entrySchema.shape.bindings,
      keys: entrySchema.shape.keys,
      ttl: z.object({ verdict: z.enum(TTL_VERDICTS) }).nullable(),
      judgement: z.object({ category: z.enum(CATEGORIES) }),
      file: z.string(),
      ignored: z.string().nullable(),
    }),
  ),
});

export interface Baseline {
  /** `report`: the JSON of `scan --json`. */
  readonly kind: "baseline" | "report";
  /** One an id. */
  readonly entries: readonly Entry[];
}

/** A baseline that cannot be read; a sentence for each faulty line. */
export class BaselineError extends Error {
  override readonly name = "BaselineError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

const CONFLICT_MARK = /^(?:<{7}|={7}|>{7}|\|{7})(?: |$)/;

function parseJson(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

function issuesOf(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`))
    .join("; ");
}

type Line = { readonly entry: Entry } | { readonly header: true } | { readonly fault: string };

function parseLine(text: string): Line {
  if (CONFLICT_MARK.test(text)) {
    return {
      fault:
        "a mark of an unfinished merge: delete it, keep the lines of both sides, and give the file `merge=union` in .gitattributes",
    };
  }
  const json = parseJson(text);
  if (json === null) return { fault: "no JSON" };
  if (typeof json.value === "object" && json.value !== null && "kv-optimizer" in json.value) {
    const header = headerSchema.safeParse(json.value);
    if (header.success) return { header: true };
    return { fault: `a header of another version (${issuesOf(header.error)})` };
  }
  const entry = entrySchema.safeParse(json.value);
  return entry.success ? { entry: entry.data } : { fault: issuesOf(entry.error) };
}

const TTL_STRICTNESS: Readonly<Record<string, number>> = { yes: 2, unknown: 1, no: 0 };

/** Of two versions of one entry, the one that accepts less. */
function stricter(a: Entry, b: Entry): Entry {
  return (TTL_STRICTNESS[b.ttl ?? "yes"] ?? 0) > (TTL_STRICTNESS[a.ttl ?? "yes"] ?? 0) ? b : a;
}

function onePerId(entries: readonly Entry[]): readonly Entry[] {
  const byId = new Map<string, Entry>();
  for (const entry of entries) {
    const known = byId.get(entry.id);
    byId.set(entry.id, known === undefined ? entry : stricter(known, entry));
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function parseReport(value: object): Baseline {
  const report = reportSchema.safeParse(value);
  if (!report.success) {
    throw new BaselineError(report.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`));
  }
  return { kind: "report", entries: onePerId(entriesOf(report.data.findings)) };
}

/**
 * Reads a baseline file or the report of `scan --json`. The order of the lines,
 * lines that stand there twice, blank lines and CRLF make no difference. Of two
 * entries with one id (a union merge of two changes) the one that accepts less counts.
 * @throws {BaselineError} with every faulty line
 */
export function parseBaseline(text: string): Baseline {
  const whole = parseJson(text)?.value;
  if (typeof whole === "object" && whole !== null && "findings" in whole) return parseReport(whole);
  const faults: string[] = [];
  const entries: Entry[] = [];
  let hasHeader = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const content = raw.replace(/^\uFEFF/, "").trim();
    if (content === "") continue;
    const line = parseLine(content);
    if ("fault" in line) faults.push(`line ${index + 1}: ${line.fault}`);
    else if ("entry" in line) entries.push(line.entry);
    else hasHeader = true;
  }
  if (!hasHeader) faults.unshift(`the header line is missing: ${JSON.stringify(HEADER)}`);
  if (faults.length > 0) throw new BaselineError(faults);
  return { kind: "baseline", entries: onePerId(entries) };
}

/** A baseline file: the header, then the entries by id. Without entries it accepts nothing. */
export function formatBaseline(entries: readonly Entry[]): string {
  return [HEADER, ...onePerId(entries)].map((line) => `${neutralJson(JSON.stringify(line))}\n`).join("");
}
