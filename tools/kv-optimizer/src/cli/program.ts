/** The command line. */
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import manifest from "../../package.json" with { type: "json" };
import { FAIL_RULES } from "../baseline/regressions.ts";
import { DEFAULT_ASSUMPTIONS } from "../judge/index.ts";
import { neutral } from "../report/neutral.ts";
import { FORMATS } from "../report/index.ts";
import { runCheck } from "./check.ts";
import { EXIT, UsageError, messageOf, type ExitCode } from "./exit.ts";
import { runExplain } from "./explain.ts";
import { checkSettings, explainSettings, scanSettings, type RawFlags } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { runScan } from "./scan.ts";
import type { World } from "./world.ts";

const EXIT_CODES = `
Exit codes: ${EXIT.ok} fine, ${EXIT.regression} regression, ${EXIT.usage} wrong arguments or a scan that cannot run.
`;

/** Letters by which a mistyped flag is off; beyond that it is another word. */
const TYPING_SLIPS = 3;

function sourceOptions(command: Command): Command {
  const { requestsPerDay, messagesPerDay, loopCount, fastCronMinutes } = DEFAULT_ASSUMPTIONS;
  return command
    .option("--root <dir>", "the repository, or a part of it (default: .)")
    .option("--include-tests", "scan tests too")
    .option("--include-fixtures", "scan fixtures too")
    .option("--include-generated", "scan generated files too")
    .option("--exclude <glob...>", "leave out, as .gitignore would")
    .option("--requests-per-day <n>", `assumed of every request handler (default: ${requestsPerDay})`)
    .option("--messages-per-day <n>", `assumed of every queue handler (default: ${messagesPerDay})`)
    .option("--loop-count <n>", `assumed turns of a loop of unknown count (default: ${loopCount})`)
    .option(
      "--fast-cron <minutes>",
      `a cron is fast below so many minutes between two runs (default: ${fastCronMinutes})`,
    );
}

function outputOptions(command: Command): Command {
  return command
    .option("--format <format>", `${FORMATS.join(", ")} (default: text)`)
    .option("--out <file>", "write there instead of printing")
    .option("--json <file>", "write the report as JSON beside it")
    .option("--all", "every call in the tables, not the first 50");
}

/** Flags that are not known, and arguments beyond those of the command. */
function strayFaults(command: Command, argumentCount: number): readonly string[] {
  const known = command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long]));
  let afterUnknown = false;
  let positional = 0;
  return command.args.flatMap((argument) => {
    if (argument.startsWith("-") && argument !== "-") {
      const name = argument.split("=")[0] ?? argument;
      afterUnknown = !argument.includes("=");
      const close = nearest(name, known, TYPING_SLIPS);
      return [
        `${neutral(name)} is no flag of ${command.name()}${close === null ? "" : `; the nearest is ${close}`}`,
      ];
    }
    const isValue = afterUnknown;
    afterUnknown = false;
    if (!isValue) positional += 1;
    return isValue || positional <= argumentCount ? [] : [`${neutral(argument)} is an argument too many`];
  });
}

function rawFlags(command: Command, argumentCount = 0): RawFlags {
  return { values: command.opts(), faults: strayFaults(command, argumentCount) };
}

/** A command whose unknown flags and stray arguments are told together with its other faults. */
function lenient(command: Command): Command {
  return command.allowUnknownOption().allowExcessArguments();
}

function createProgram(world: World, end: (code: ExitCode) => void): Command {
  const program = new Command("kv-optimizer")
    .description("Audits how a Cloudflare Workers repository uses KV. Reads only; no network.")
    .version(manifest.version)
    .addHelpText("after", EXIT_CODES)
    .configureOutput({ writeOut: world.print, writeErr: (text) => world.tell(text.trimEnd()) })
    .exitOverride();
  lenient(outputOptions(sourceOptions(program.command("scan"))))
    .description("lists every KV call, and what had better move")
    .option("--watch", "scan again after every change and print the difference")
    .action(async (_flags: unknown, command: Command) => {
      end(await runScan(scanSettings(rawFlags(command), DEFAULT_ASSUMPTIONS), world));
    });
  lenient(outputOptions(sourceOptions(program.command("check"))))
    .description("fails when KV use has become worse than the baseline")
    .option("--baseline <file>", "what is accepted: a baseline, or the JSON report of a scan")
    .option("--baseline-commit <ref>", "accept what the commit has")
    .option("--allow-total-increase <n>", "by how many calls it may grow, or any (default: 0)")
    .option("--allow-puts-increase <n>", "the same for puts")
    .option("--allow-puts-without-ttl-increase <n>", "the same for puts without TTL")
    .option("--allow-lists-increase <n>", "the same for lists")
    .option("--fail-on <rules>", `rules that look at each call: ${FAIL_RULES.join(",")}`)
    .option("--update-baseline", "accept everything that is there now")
    .option("--prune", "take stale entries out of the baseline, and nothing else")
    .action((_flags: unknown, command: Command) => {
      end(runCheck(checkSettings(rawFlags(command), DEFAULT_ASSUMPTIONS), world));
    });
  lenient(sourceOptions(program.command("explain <id>")))
    .description("tells everything about one finding; the beginning of its id is enough")
    .action((id: string, _flags: unknown, command: Command) => {
      end(runExplain(id, explainSettings(rawFlags(command, 1), DEFAULT_ASSUMPTIONS), world));
    });
  return program;
}

function tellFaults(error: UsageError, world: World): void {
  for (const fault of error.faults) world.tell(`${pc.red("✖")} ${neutral(fault)}`);
  for (const hint of error.hints) world.tell(`  ${neutral(hint)}`);
}

/** Runs a command line without the program's name; resolves to the exit code and never rejects. */
export async function run(argv: readonly string[], world: World): Promise<ExitCode> {
  let code: ExitCode = EXIT.usage;
  const program = createProgram(world, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof UsageError) tellFaults(error, world);
    else {
      world.tell(`${pc.red("✖")} ${neutral(messageOf(error))}`);
      const stack = error instanceof Error && world.env["KV_OPTIMIZER_DEBUG"] ? error.stack : undefined;
      world.tell(stack ?? "  Unexpected: run again with KV_OPTIMIZER_DEBUG=1 to see where.");
    }
    return EXIT.usage;
  }
  return code;
}
