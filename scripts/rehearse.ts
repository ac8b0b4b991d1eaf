/**
 * `npm run rehearse`: the whole life cycle on this machine, offline: a local
 * cloud, provisioning, migrations, releases by phases under traffic, a bad
 * release that is taken back, every record read back and compared, and the
 * archive compacted, one tenant erased from it, and verified.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { Listr, ListrLogger, ProcessOutput } from "listr2";
import pc from "picocolors";
import { CliError, EXIT } from "./lib/exit.ts";
import { promises, type StepTime, summary } from "./rehearsal/report.ts";
import { Rehearsal } from "./rehearsal/rehearsal.ts";

const root = path.resolve(import.meta.dirname, "..");

function port(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new InvalidArgumentError("a port is 0–65535");
  }
  return number;
}

const program = new Command("rehearse")
  .description("Rehearses the whole life cycle on this machine, offline.")
  .option("--keep", "leave the cloud running afterwards, and print its URLs", false)
  .option("--port <port>", "port of the local cloud's API; 0 picks a free one", port, 0)
  .option(
    "--directory <directory>",
    "where the rehearsal keeps its state; emptied first",
    ".strata/rehearsal",
  )
  .option("--report <file>", "where the figures go", "rehearsal.json")
  .option("--json", "print the figures to stdout as JSON", false)
  .option("--verbose", "print every line of every part", false)
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));

interface Flags {
  readonly keep: boolean;
  readonly port: number;
  readonly directory: string;
  readonly report: string;
  readonly json: boolean;
  readonly verbose: boolean;
}

type StepMethod = {
  [Key in keyof Rehearsal]: Rehearsal[Key] extends () => Promise<string> ? Key : never;
}[keyof Rehearsal];

const STEPS: readonly (readonly [title: string, method: StepMethod])[] = [
  ["Start the local cloud", "startCloud"],
  ["Provision it with Pulumi", "provision"],
  ["Apply the migrations", "migrate"],
  ["Release v1: archiver, canary, hub", "releaseFirst"],
  ["Ingest earthquakes and flights", "ingest"],
  ["Archive them", "archive"],
  ["Read back and compare every record", "compare"],
  ["Release v2 by phases under traffic", "releaseGood"],
  ["Release v3, which fails: copies of reads show it", "releaseBadByCopies"],
  ["Release v3 again, without copies, under traffic", "releaseBad"],
  ["Roll the promoted v2 back", "rollBack"],
  ["Compare again, with all that was written meanwhile", "compareAll"],
  ["Archive that too, and merge the small files", "compact"],
  ["Erase one tenant, and compare all others", "erase"],
  ["Verify every byte of the archive", "verify"],
];

function describe(error: unknown): string {
  if (error instanceof CliError) return [error.message, ...error.hints.map((hint) => `  ${hint}`)].join("\n");
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function untilStopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

async function main(): Promise<number> {
  const flags = program.parse().opts<Flags>();
  const stop = new AbortController();
  // `on`, not `once`: with no listener left, a library's own handler would end the process at once.
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(EXIT.cancelled);
      process.stderr.write("\nStopping; press again to stop at once.\n");
      stop.abort(new CliError(EXIT.cancelled, "The rehearsal was cancelled."));
    });
  }

  let progress = (_line: string): void => {};
  const rehearsal = new Rehearsal({
    root,
    directory: path.resolve(root, flags.directory),
    port: flags.port,
    signal: stop.signal,
    onProgress: (line) => {
      if (flags.verbose) process.stderr.write(`${pc.dim(line)}\n`);
      progress(line);
    },
  });

  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) });
  const steps: StepTime[] = [];
  const began = performance.now();
  const tasks = new Listr(
    STEPS.map(([title, method]) => ({
      title,
      task: async (_, task) => {
        stop.signal.throwIfAborted();
        progress = (line) => {
          task.output = line;
        };
        const started = performance.now();
        const detail = await rehearsal[method]();
        const seconds = (performance.now() - started) / 1000;
        steps.push({ step: title, seconds: Number(seconds.toFixed(1)) });
        task.title = `${title}: ${detail} ${pc.dim(`(${seconds.toFixed(1)} s)`)}`;
      },
    })),
    {
      concurrent: false,
      registerSignalListeners: false,
      fallbackRenderer: "simple",
      renderer: "default",
      fallbackRendererCondition: () => !process.stderr.isTTY,
      // People read stderr; stdout is for --json.
      rendererOptions: { collapseErrors: false, logger },
      fallbackRendererOptions: { logger },
    },
  );

  try {
    await tasks.run();
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const report = rehearsal.report(steps, seconds);
    await writeFile(path.resolve(root, flags.report), `${JSON.stringify(report, null, 2)}\n`);
    process.stderr.write(summary(report));
    process.stderr.write(
      `\n  The figures are in ${flags.report}, the Workers' log in ${path.relative(root, rehearsal.logFile)}.\n`,
    );
    if (flags.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    if (flags.keep) {
      const urls = Object.entries(rehearsal.urls).map(([name, url]) => `  ${name.padEnd(7)} ${pc.cyan(url)}`);
      process.stderr.write(
        [
          "",
          "Still running; Ctrl-C stops it.",
          ...urls,
          `  API key ${rehearsal.apiKey}`,
          "  For status, rollback and releases in another terminal:",
          `    export STRATA_STATE_DIRECTORY=${flags.directory}`,
          "",
        ].join("\n"),
      );
      await untilStopped(stop.signal);
    }
    return promises(report).every(({ kept }) => kept) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (stop.signal.aborted) {
      process.stderr.write("Cancelled.\n");
      return EXIT.cancelled;
    }
    process.stderr.write(`${pc.red("The rehearsal failed.")} ${describe(error)}\n`);
    return EXIT.failed;
  } finally {
    await rehearsal.stop();
  }
}

process.exitCode = await main();
