/**
 * The shell of every release script: arguments, environment, progress, the end.
 * People read stderr; stdout carries data only, and only under `--json`.
 */
import path from "node:path";
import { isCancel, text } from "@clack/prompts";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pc from "picocolors";
import { ENVIRONMENTS, type Environment } from "../../infra/topology.ts";
import { hintsOf, openEnvironment, type ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf, type ExitCode } from "./exit.ts";
import { humanProgress, jsonProgress, type Progress } from "./progress.ts";
import type { ReleaseEvent } from "./release/events.ts";

/** Absolute. */
export const repositoryRoot = path.resolve(import.meta.dirname, "../..");

/** Flags that every script has. */
export interface CommonFlags {
  readonly env: Environment;
  readonly json: boolean;
}

/** What a script's body works with. */
export interface Session {
  readonly context: ReleaseContext;
  /** Writes the one document, or the last line, of `--json`. */
  readonly result: (value: Readonly<Record<string, unknown>>) => void;
  /** Tells people. */
  readonly tell: (line: string) => void;
}

/**
 * A command with the flags that every script has.
 * @param environmentNeeded whether it can do nothing without `--env`
 */
export function createCommand(name: string, description: string, environmentNeeded = true): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option("-e, --env <environment>", "where to")
        .choices([...ENVIRONMENTS])
        .makeOptionMandatory(environmentNeeded),
    )
    .option("--json", "print data to stdout: one JSON document a line, the result last", false)
    .allowExcessArguments(false)
    .showHelpAfterError()
    .configureOutput({ writeErr: (message) => process.stderr.write(message) })
    .exitOverride();
}

/** A flag's value as a number. @throws {InvalidArgumentError} outside of `min`–`max` */
export function numberFlag(min: number, max: number, whole = true): (value: string) => number {
  return (value) => {
    const number = Number(value);
    const fits =
      value.trim() !== "" && number >= min && number <= max && (!whole || Number.isInteger(number));
    if (!fits) {
      throw new InvalidArgumentError(
        `It must be ${whole ? "a whole number" : "a number"} from ${min} to ${max}.`,
      );
    }
    return number;
  };
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `500ms`, `10s`, `5m` or `1h` in milliseconds. @throws {InvalidArgumentError} */
export function durationFlag(value: string): number {
  const match = DURATION.exec(value);
  const unit = UNIT_MS[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new InvalidArgumentError("Write a duration as 500ms, 10s, 5m or 1h.");
  }
  return Number(match[1]) * unit;
}

/** Commands in a hint are for copying, so they carry the environment of this run. */
export function withEnvironment(hint: string, environment: Environment): string {
  return hint.replaceAll(
    /npm run (status|rollback|migrate|doctor|plan|(?:release|archive):[a-z-]+)(?![a-z-]| -- --env)(?: --(?= ))?/g,
    `npm run $1 -- --env ${environment}`,
  );
}

/**
 * What people must read although stdout carries the events as data; `null` for
 * most events. Without it, a dry run with nothing to do looks like one that has.
 */
export function besideJson(event: ReleaseEvent): string | null {
  if (event.type !== "plan" || !event.dryRun || event.steps.length > 0) return null;
  return `${event.target} ${event.tag} → ${event.environment}: nothing to do, it serves already`;
}

function writeError(error: CliError, { env, json }: CommonFlags): void {
  const hints = hintsOf(error, env).map((hint) => withEnvironment(hint, env));
  process.stderr.write(`${pc.red("✖")} ${error.message}\n`);
  for (const hint of hints) process.stderr.write(`  ${hint}\n`);
  if (!json) return;
  const document = { type: "error", exitCode: error.exitCode, message: error.message, hints, ...error.data };
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** An error that nobody expected is a fault of these scripts: its stack helps to mend it, but is shown on demand only. */
function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const stack =
    error instanceof Error && process.env["STRATA_DEBUG"] ? (error.stack ?? "").split("\n").slice(1) : [];
  return new CliError(EXIT.failed, messageOf(error), {
    hints: [
      ...stack,
      ...(stack.length === 0 ? ["Unexpected: run again with STRATA_DEBUG=1 to see where."] : []),
    ],
    cause: error,
  });
}

/**
 * Ctrl-C asks the run to end after the command that is under way; the second
 * one ends it at once.
 */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT.cancelled);
      process.stderr.write("\nStopping after the present step; press again to stop at once.\n");
      controller.abort(new CliError(EXIT.cancelled, "Stopped before the end"));
    });
  }
  return controller.signal;
}

/** Whether a question can be asked. */
function hasTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/**
 * Refuses to change production unasked where nobody can be asked.
 * @throws {CliError} usage
 */
export function requireTerminalOrYes(environment: Environment, yes: boolean): void {
  if (environment !== "production" || yes || hasTerminal()) return;
  throw new CliError(EXIT.usage, "production asks for confirmation, and there is no terminal to ask on", {
    hints: ["Say --yes."],
  });
}

/**
 * In production, has the user type the environment's name.
 * @throws {CliError} cancelled, when it is not typed
 */
export async function confirmTyped(environment: Environment, yes: boolean, what: string): Promise<void> {
  if (environment !== "production" || yes) return;
  requireTerminalOrYes(environment, yes);
  await typed(environment, what);
}

/** Environments whose archive others rely on. */
const SHARED: ReadonlySet<Environment> = new Set(["staging", "production"]);

/**
 * Refuses to replace a shared archive's index unasked where nobody can be asked.
 * @throws {CliError} usage
 */
export function requireTerminalForShared(environment: Environment, yes: boolean): void {
  if (SHARED.has(environment)) requireTerminal(yes);
}

/**
 * In staging and production, has the user type the environment's name.
 * @throws {CliError} cancelled, when it is not typed
 */
export async function confirmShared(environment: Environment, yes: boolean, what: string): Promise<void> {
  if (SHARED.has(environment)) await confirmWord(environment, yes, what);
}

/**
 * Refuses, in every environment, what asks for confirmation where nobody can be asked.
 * @throws {CliError} usage
 */
export function requireTerminal(yes: boolean): void {
  if (yes || hasTerminal()) return;
  throw new CliError(EXIT.usage, "This asks for confirmation, and there is no terminal to ask on", {
    hints: ["Say --yes."],
  });
}

/**
 * Has the user type a word, in every environment: for what nothing can undo.
 * @throws {CliError} usage, where nobody can be asked; cancelled, when it is not typed
 */
export async function confirmWord(word: string, yes: boolean, what: string): Promise<void> {
  if (yes) return;
  requireTerminal(yes);
  await typed(word, what);
}

async function typed(word: string, what: string): Promise<void> {
  const answer = await text({ message: `This will ${what}. Type ${word} to go on`, output: process.stderr });
  if (isCancel(answer) || answer !== word) {
    throw new CliError(EXIT.cancelled, "Not confirmed: nothing was changed");
  }
}

/** Parses, and runs the command's action if it has one; usage errors end the process with their exit code. */
export async function parseOrExit(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}

/** Writes the one document, or the last line, of `--json`. */
function resultWriter(json: boolean): Session["result"] {
  return (value) => {
    if (json) process.stdout.write(`${JSON.stringify({ type: "result", ...value })}\n`);
  };
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Does the work and ends with the right exit code. */
async function endWithCode(
  flags: Partial<CommonFlags>,
  progress: Progress,
  work: () => Promise<void>,
): Promise<void> {
  let exitCode: ExitCode = EXIT.ok;
  try {
    await work();
    await progress.finish();
  } catch (error) {
    await progress.finish();
    const known = asCliError(error);
    writeError(known, { env: flags.env ?? "local", json: flags.json ?? false });
    exitCode = known.exitCode;
  }
  process.exitCode = exitCode;
}

const progressOf = ({ json = false }: Partial<CommonFlags>): Progress =>
  json ? jsonProgress(process.stdout) : humanProgress(process.stderr);

/**
 * Runs a script whose command line is parsed: calls `before` (checks that need
 * nothing but the flags), opens the environment, runs `body`, and ends with the
 * right exit code.
 */
export async function runParsed<F extends CommonFlags>(
  flags: F,
  before: () => void,
  body: (session: Session) => Promise<void>,
): Promise<void> {
  const progress = progressOf(flags);
  await endWithCode(flags, progress, async () => {
    before();
    const onEvent = (event: ReleaseEvent): void => {
      progress.onEvent(event);
      const line = flags.json ? besideJson(event) : null;
      if (line !== null) tell(line);
    };
    const context = await openEnvironment({
      root: repositoryRoot,
      environment: flags.env,
      env: process.env,
      onEvent,
      signal: stopOnSignals(),
    });
    await body({ context, result: resultWriter(flags.json), tell });
  });
}

/** The same for a script that works without an environment. */
export async function runOffline(
  flags: Pick<CommonFlags, "json"> & Partial<CommonFlags>,
  body: (session: Omit<Session, "context">) => Promise<void>,
): Promise<void> {
  await endWithCode(flags, progressOf(flags), () => body({ result: resultWriter(flags.json), tell }));
}

/** Runs a script of one command: parses, then as `runParsed`. */
export async function runProgram<F extends CommonFlags>(
  command: Command,
  before: (flags: F, args: readonly string[]) => void,
  body: (session: Session, flags: F, args: readonly string[]) => Promise<void>,
): Promise<void> {
  await parseOrExit(command);
  const flags = command.opts<F>();
  const args: readonly string[] = command.args;
  await runParsed(
    flags,
    () => before(flags, args),
    (session) => body(session, flags, args),
  );
}
