/** `npm run dev`: a local cloud with everything on it, which follows the sources until Ctrl-C. */
import path from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import { CliError, EXIT, messageOf } from "./lib/exit.ts";
import { hintsOf } from "./lib/environment.ts";
import { stateDirectory } from "./lib/local-state.ts";
import { numberFlag, withEnvironment } from "./lib/program.ts";
import { humanProgress } from "./lib/progress.ts";

const root = path.resolve(import.meta.dirname, "..");

const command = new Command("dev")
  .description("Runs everything on this machine and releases again whatever changes.")
  .option(
    "--port <port>",
    "port of the local cloud's API; 0 takes the last one, or any",
    numberFlag(0, 65_535),
    0,
  )
  .allowExcessArguments(false)
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .parse();

const { port } = command.opts<{ port: number }>();
const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function tellError(error: unknown): void {
  tell(`${pc.red("✖")} ${messageOf(error)}`);
  if (!(error instanceof CliError)) return;
  for (const hint of hintsOf(error, "local")) tell(`  ${withEnvironment(hint, "local")}`);
}

const stop = new AbortController();
const stopped = Promise.withResolvers<void>();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(EXIT.cancelled);
    tell("\nStopping; press again to stop at once.");
    stop.abort(new CliError(EXIT.cancelled, "Stopped before everything was released"));
    stopped.resolve();
  });
}

const progress = humanProgress(process.stderr);
try {
  // Brings Pulumi and the local cloud along: not for a wrong flag.
  const { startDev } = await import("./lib/dev-session.ts");
  const session = await startDev({
    root,
    directory: stateDirectory(root, process.env),
    port,
    signal: stop.signal,
    onEvent: progress.onEvent,
    tell: (line) => tell(pc.dim(line)),
    onError: (error) => {
      tellError(error);
      tell("What was released before goes on serving; save a mended file to try again.");
    },
  });
  const { hub, archiver, api } = session.urls;
  tell("");
  tell(`  hub       ${pc.cyan(hub)}  (docs: ${pc.cyan(`${hub}/docs`)})`);
  tell(`  archiver  ${pc.cyan(archiver)}`);
  tell(`  API       ${pc.cyan(api)}`);
  tell(`  API key   ${session.apiKey}`);
  tell(`  log       ${path.relative(process.cwd(), session.logFile)}`);
  tell("\nWatching worker/, archiver/ and migrations/; Ctrl-C stops.");
  await stopped.promise;
  await session.stop();
  await progress.finish();
} catch (error) {
  await progress.finish();
  tellError(error);
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
}
