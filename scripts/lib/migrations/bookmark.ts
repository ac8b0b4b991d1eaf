/** Time Travel: the point to which a database can go back, recorded before its schema changes. */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { D1_KEYS, type D1Key } from "../../../infra/topology.ts";
import { BookmarkUnavailable } from "../cloudflare-api.ts";
import { CliError, EXIT } from "../exit.ts";
import { ownerOf, type MigrationContext } from "./pending.ts";

const lineSchema = z.object({
  /** ISO 8601. */
  at: z.string(),
  environment: z.string(),
  database: z.enum(D1_KEYS),
  /** `null` where the account gives none. */
  bookmark: z.string().nullable(),
  /** `began`: what is about to be applied. `ended`: what is in. */
  event: z.enum(["began", "ended"]),
  files: z.array(z.string()),
});

export type JournalLine = z.infer<typeof lineSchema>;

/** The file that keeps the bookmarks of an environment, one JSON document a line. */
export function journalFile({ directory }: Pick<MigrationContext, "directory">): string {
  return path.join(directory, "migrations.jsonl");
}

export async function writeJournal(
  context: MigrationContext,
  line: Omit<JournalLine, "at" | "environment">,
): Promise<void> {
  const file = journalFile(context);
  await mkdir(path.dirname(file), { recursive: true });
  const { environment } = context;
  const at = new Date(context.clock.now()).toISOString();
  await appendFile(file, `${JSON.stringify({ at, environment, ...line } satisfies JournalLine)}\n`);
}

function parsedLine(line: string): JournalLine[] {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    // A line that was being written when the process was killed.
    return [];
  }
}

/** The lines of the journal, oldest first; a torn one is left out. */
export async function readJournal(
  context: Pick<MigrationContext, "directory">,
): Promise<readonly JournalLine[]> {
  const text = await readFile(journalFile(context), "utf8").catch(() => "");
  return text.split("\n").filter(Boolean).flatMap(parsedLine);
}

/**
 * The command that takes a database back, schema and rows and wrangler's list of applied files.
 * @param point a bookmark, or ISO 8601 where there is none
 */
export function restoreCommand(
  context: MigrationContext,
  database: D1Key,
  point: { readonly bookmark: string } | { readonly timestamp: string },
): string {
  const { root, topology, configs, environment } = context;
  // Wrangler would ask Cloudflare for what only exists on this machine.
  if (environment === "local" && "bookmark" in point) {
    return `npm run migrate -- --env local --database ${database} --restore ${point.bookmark}`;
  }
  const config = path.relative(root, configs[ownerOf(topology, database)]);
  const option = "bookmark" in point ? `--bookmark=${point.bookmark}` : `--timestamp=${point.timestamp}`;
  return `npx wrangler d1 time-travel restore ${topology.d1[database].name} ${option} --config ${config}`;
}

/** How a database gets back, in one sentence with its command. */
export function restoreHint(context: MigrationContext, database: D1Key, bookmark: string | null): string {
  if (bookmark === null) return `There is no bookmark of ${database} to restore.`;
  return `Take ${database} back to before, rows written since included: ${restoreCommand(context, database, { bookmark })}`;
}

/**
 * Records where a database stands, and tells how to come back to it.
 * @returns `null` where the account gives no bookmark, after a warning
 * @throws {CliError} failed, when `require` is set and there is none
 */
export async function recordBookmark(
  context: MigrationContext,
  database: D1Key,
  files: readonly string[],
  require: boolean,
): Promise<string | null> {
  const { api, ids, topology } = context;
  const { name } = topology.d1[database];
  let bookmark: string | null = null;
  try {
    bookmark = await api.timeTravelBookmark(ids.d1[database]);
  } catch (error) {
    if (!(error instanceof BookmarkUnavailable)) throw error;
    if (require) {
      throw new CliError(EXIT.failed, `There is no Time Travel bookmark of ${name}: ${error.message}`, {
        hints: ["Nothing was applied. Leave out --require-bookmark to migrate without one."],
        data: { database: name },
        cause: error,
      });
    }
    const timestamp = new Date(context.clock.now()).toISOString();
    const command = restoreCommand(context, database, { timestamp });
    const message = `Warning: there is no Time Travel bookmark of ${name} (${error.message}). What may still bring it back: ${command}`;
    context.onEvent({ type: "note", message });
  }
  await writeJournal(context, { database, bookmark, event: "began", files: [...files] });
  if (bookmark !== null) {
    const message = `Bookmark of ${name} before ${files[0] ?? "its migrations"}: ${bookmark}. ${restoreHint(context, database, bookmark)}`;
    context.onEvent({ type: "note", message });
  }
  return bookmark;
}

/**
 * Takes a database back to a bookmark.
 * @returns the bookmark that undoes this; `null` where the account gives none
 */
export async function restore(
  context: MigrationContext,
  database: D1Key,
  bookmark: string,
): Promise<string | null> {
  const { api, ids } = context;
  const { previousBookmark } = await api.restoreBookmark(ids.d1[database], bookmark);
  return previousBookmark;
}
