/** `npm run archive:<command> -- --env <environment>`: checks, mends and takes out what is archived. */
import { Argument, Command, Option } from "commander";
import pc from "picocolors";
import { openArchive, openRecords } from "./lib/archive/client.ts";
import { compactArchive, compactedText, retainArchive, retainedLines } from "./lib/archive/compact.ts";
import { deadLetterLines, listDeadLetters, settleChosen } from "./lib/archive/dead-letters.ts";
import { eraseDataset, hadRecords, receiptLines } from "./lib/archive/erase.ts";
import {
  exportDataset,
  exportedText,
  formatOf,
  refuseStdout,
  type ExportFormat,
} from "./lib/archive/export.ts";
import { inspectLocal, reportLines } from "./lib/archive/inspect.ts";
import type { Operator } from "./lib/archive/operator.ts";
import { reindexArchive } from "./lib/archive/reindex.ts";
import { archivedLines, archiveAll, statsLines } from "./lib/archive/run.ts";
import { count } from "./lib/archive/text.ts";
import { mendingHints, verifiedText, verifyArchive } from "./lib/archive/verify.ts";
import { CliError, EXIT } from "./lib/exit.ts";
import {
  confirmShared,
  confirmTyped,
  confirmWord,
  createCommand,
  numberFlag,
  parseOrExit,
  requireTerminal,
  requireTerminalForShared,
  requireTerminalOrYes,
  runOffline,
  runParsed,
  type CommonFlags,
  type Session,
} from "./lib/program.ts";

interface Flags extends CommonFlags {
  readonly yes: boolean;
}

const YES = ["-y, --yes", "do not ask for confirmation", false] as const;
const done = (line: string): string => `${pc.green("✔")} ${line}`;

const program = new Command("archive")
  .description("Checks, mends and takes out what is archived.")
  .showHelpAfterError()
  .exitOverride();

async function operatorOf({ context, tell }: Session): Promise<Operator> {
  const { clock, signal } = context;
  return { archive: await openArchive(context, tell), clock, signal, tell };
}

program.addCommand(
  createCommand("verify", "Checks index, files and buffer against each other.")
    .option("--quick", "trust the objects' checksums; do not read every byte", false)
    .action((flags: CommonFlags & { readonly quick: boolean }) =>
      runParsed(
        flags,
        () => {},
        async (session) => {
          const operator = await operatorOf(session);
          const found = await verifyArchive(operator, flags.quick ? "index" : "full");
          if (found.faultCount > 0) {
            throw new CliError(EXIT.failed, `${count(found.faultCount)} faults in ${verifiedText(found)}`, {
              hints: mendingHints(found.faults),
              data: { ...found },
            });
          }
          session.tell(done(`No fault in ${verifiedText(found)}`));
          session.result({ ...found });
        },
      ),
    ),
);

program.addCommand(
  createCommand("reindex", "Makes the index again from the bucket alone.")
    .option("--dry-run", "say what the new index would be; change nothing", false)
    .option(
      "-y, --yes",
      "do not ask, and replace it although records or objects are missing in the new one",
      false,
    )
    .action((flags: Flags & { readonly dryRun: boolean }) =>
      runParsed(
        flags,
        () => {
          if (!flags.dryRun) requireTerminalForShared(flags.env, flags.yes);
        },
        async (session) => {
          const made = await reindexArchive(await operatorOf(session), {
            dryRun: flags.dryRun,
            yes: flags.yes,
            confirm: (what) => confirmShared(flags.env, flags.yes, what),
          });
          const outcome = flags.dryRun ? "A dry run: the index was left as it is" : "The index was replaced";
          const left = made.faults.length + made.conflicts.length;
          if (left > 0) {
            throw new CliError(EXIT.failed, `${outcome}, and ${count(left)} objects are not in the new one`, {
              hints: ["To look at one of them, give its key to: npm run archive:inspect"],
              data: { ...made },
            });
          }
          session.tell(done(outcome));
          session.result({ ...made });
        },
      ),
    ),
);

program.addCommand(
  createCommand("inspect", "Shows what an archive file holds: a local one, or with --env an object.", false)
    .addArgument(new Argument("<file>", "a local file, or with --env an object's key"))
    .action(async (file: string, flags: Partial<CommonFlags> & Pick<CommonFlags, "json">) => {
      const { env, json } = flags;
      if (env === undefined) {
        await runOffline(flags, async ({ tell, result }) => {
          const report = await inspectLocal(file);
          for (const line of reportLines(report)) tell(line);
          result({ ...report });
        });
        return;
      }
      await runParsed(
        { env, json },
        () => {},
        async (session) => {
          const { archive } = await operatorOf(session);
          const report = await archive.file(file);
          if (report === null) throw new CliError(EXIT.failed, `There is no object ${file} in the archive`);
          for (const line of reportLines(report)) session.tell(line);
          session.result({ ...report });
        },
      );
    }),
);

interface ExportFlags extends CommonFlags {
  readonly dataset: string;
  readonly table: string;
  readonly from?: string;
  readonly to?: string;
  readonly format?: ExportFormat;
  readonly output: string;
  readonly force: boolean;
}

program.addCommand(
  createCommand("export", "Writes the records of one dataset and table to a local file.")
    .requiredOption("--dataset <id>", "whose records")
    .requiredOption("--table <name>", "which of them")
    .option("--from <time>", "ISO 8601, or ms UTC; inclusive")
    .option("--to <time>", "exclusive")
    .addOption(
      new Option(
        "--format <format>",
        "Avro file or lines of JSON; unless told, by the output's extension",
      ).choices(["ocf", "ndjson"]),
    )
    .requiredOption("--output <file>", "where to; - is stdout, for lines of JSON")
    .option("--force", "write over a file", false)
    .action(async ({ dataset: datasetId, format: chosen, ...flags }: ExportFlags) => {
      const request = { ...flags, datasetId, format: chosen ?? formatOf(flags.output) };
      await runParsed(
        flags,
        () => refuseStdout(request),
        async ({ context, tell, result }) => {
          const { clock, signal } = context;
          const callHub = await openRecords(context, tell);
          const written = await exportDataset(callHub, { tell, clock, signal }, request);
          const text = exportedText(request, written);
          if (written.lostBlocks > 0) {
            throw new CliError(
              EXIT.failed,
              `${text}; those of ${count(written.lostBlocks)} blocks are missing, their objects are lost`,
              { hints: ["Which objects: npm run archive:verify"], data: { ...written } },
            );
          }
          tell(done(text));
          result({ ...written });
        },
      );
    }),
);

program.addCommand(
  createCommand("run", "Archives now what is older than the hot window.").action((flags: CommonFlags) =>
    runParsed(
      flags,
      () => {},
      async (session) => {
        const total = await archiveAll(await operatorOf(session));
        for (const line of archivedLines(total)) session.tell(`  ${line}`);
        session.tell(done(total.records === 0 ? "Nothing to archive" : "Archived"));
        session.result({ ...total });
      },
    ),
  ),
);

program.addCommand(
  createCommand("stats", "Says what is hot, cold, replaced, lost and among the dead letters.").action(
    (flags: CommonFlags) =>
      runParsed(
        flags,
        () => {},
        async (session) => {
          const { archive } = await operatorOf(session);
          const stats = await archive.stats();
          for (const line of statsLines(stats)) session.tell(line);
          session.result({ ...stats });
        },
      ),
  ),
);

program.addCommand(
  createCommand("compact", "Merges small files.")
    .option("--force", "merge periods that are still open, too", false)
    .action((flags: CommonFlags & { readonly force: boolean }) =>
      runParsed(
        flags,
        () => {},
        async (session) => {
          const merged = await compactArchive(await operatorOf(session), flags.force);
          session.tell(done(merged.merges === 0 ? "Nothing to merge" : compactedText(merged)));
          if (merged.remaining > 0) {
            session.tell(`${count(merged.remaining)} merges were left: the next run does them`);
          }
          session.result({ ...merged });
        },
      ),
    ),
);

program.addCommand(
  createCommand("retain", "Clears away what has expired, was replaced or belongs to nothing.").action(
    (flags: CommonFlags) =>
      runParsed(
        flags,
        () => {},
        async (session) => {
          const { ran: _, ...cleared } = await retainArchive(await operatorOf(session));
          for (const line of retainedLines(cleared)) session.tell(`  ${line}`);
          session.tell(done("Cleared away"));
          session.result({ ...cleared });
        },
      ),
  ),
);

program.addCommand(
  createCommand("erase", "Erases every record of one dataset, for ever.")
    .requiredOption("--dataset <id>", "whose records")
    .option(...YES)
    .action((flags: Flags & { readonly dataset: string }) =>
      runParsed(
        flags,
        () => requireTerminal(flags.yes),
        async (session) => {
          const operator = await operatorOf(session);
          const what = `erase every record of ${flags.dataset} in ${flags.env}, which nothing can undo`;
          await confirmWord(flags.dataset, flags.yes, what);
          const receipt = await eraseDataset(operator, flags.dataset);
          for (const line of receiptLines(receipt)) session.tell(`  ${line}`);
          const { dataset } = flags;
          session.tell(
            done(hadRecords(receipt) ? `${dataset} is erased` : `Nothing was stored under ${dataset}`),
          );
          session.result({ receipt });
        },
      ),
    ),
);

interface DeadLetterFlags extends Flags {
  readonly id: readonly number[];
  readonly all: boolean;
  readonly limit: number;
}

const letterId = numberFlag(1, Number.MAX_SAFE_INTEGER);

function refuseWrongChoice(action: string, { id, all, env, yes }: DeadLetterFlags): void {
  if (action === "list") {
    if (id.length === 0 && !all) return;
    throw new CliError(EXIT.usage, "list shows all of them: --id and --all are for replay and purge");
  }
  if (id.length > 0 === all) throw new CliError(EXIT.usage, `Say which to ${action}: --id <id…>, or --all`);
  requireTerminalOrYes(env, yes);
}

program.addCommand(
  createCommand("dead-letters", "Lists, sends back or deletes messages that could not be stored.")
    .addArgument(new Argument("<action>", "what to do").choices(["list", "replay", "purge"]))
    .addOption(
      new Option("--id <id...>", "these")
        .argParser((value, before: readonly number[]) => [...before, letterId(value)])
        .default([]),
    )
    .option("--all", "every one that there is now", false)
    .option("--limit <number>", "list: at most so many", numberFlag(1, 100_000), 100)
    .option(...YES)
    .action((action: "list" | "replay" | "purge", flags: DeadLetterFlags) =>
      runParsed(
        flags,
        () => refuseWrongChoice(action, flags),
        async (session) => {
          const operator = await operatorOf(session);
          if (action === "list") {
            const { letters, total } = await listDeadLetters(operator, flags.limit);
            if (letters.length > 0) for (const line of deadLetterLines(letters)) session.tell(line);
            session.tell(done(`${count(letters.length)} of ${count(total)} dead letters`));
            session.result({ letters, total });
            return;
          }
          const choice = flags.all ? ({ all: true } as const) : { ids: flags.id };
          const which = flags.all ? "every dead letter" : `${count(flags.id.length)} dead letters`;
          await confirmTyped(flags.env, flags.yes, `${action} ${which}`);
          const settled = await settleChosen(operator, action, choice);
          const past = action === "replay" ? "sent back" : "deleted";
          const rest = settled.remaining === 0 ? "" : `, ${count(settled.remaining)} of the chosen were not`;
          session.tell(
            done(`${count(settled.done)} ${past}${rest}; ${count(settled.total)} are left in all`),
          );
          session.result({ ...settled });
        },
      ),
    ),
);

await parseOrExit(program);
