/**
 * `npm run battery`: bad and good releases under load on a local cloud, with real
 * wrangler: how fast each bad one is taken back and whom it harmed, and that no
 * good one is.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import { startLocalCloud } from "@strata/localcloud";
import { definePlan } from "../worker/src/rollout/plan.ts";
import { BAD_KINDS, goodKind, type Kind } from "./battery/kinds.ts";
import { Load, loadTenants } from "./battery/load.ts";
import { round, type Round } from "./battery/rounds.ts";
import { badTable, goodTable, verdict } from "./battery/table.ts";
import { EXIT } from "./lib/exit.ts";
import { provisionLocalContext } from "./lib/local-context.ts";
import { removeLocalCloud } from "./lib/local-state.ts";
import { openLogFile } from "./lib/log-file.ts";
import { release } from "./lib/release/release.ts";
import { loadFlights } from "./rehearsal/datasets.ts";
import { HubClient } from "./rehearsal/hub-client.ts";
import { queueDrained } from "./rehearsal/queue-drain.ts";

const root = path.resolve(import.meta.dirname, "..");

/** Milliseconds between two judgements: what "two gate intervals" means in the table. */
const INTERVAL_MS = 1_000;

const PLAN = definePlan({
  intervalMs: INTERVAL_MS,
  overdueMs: 1_500,
  gate: {
    minSample: { read: 25, write: 25, background: 6 },
    maxErrorShare: 0.005,
    latency: { tolerance: 0.5, slackMs: 100 },
    numbers: { records_read: { worse: "lower", tolerance: 0.25 } },
  },
  // Enough copies to see one failure in fifty before anybody meets it.
  mirror: { soakMs: 5_000, initialDelayMs: 1_000, gate: { minSample: { read: 400 }, errorTolerance: 0.002 } },
  phases: [
    // Enough reads to see one failure in fifty.
    { shares: { read: 10 }, soakMs: 8_000, initialDelayMs: 1_000, gate: { minSample: { read: 250 } } },
    { shares: { read: 100, write: 10, background: 10 }, soakMs: 10_000, initialDelayMs: 1_000 },
    { shares: { read: 100, write: 100, background: 100 }, soakMs: 5_000, initialDelayMs: 1_000 },
  ],
});

function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError("a whole number");
  return number;
}

interface Flags {
  readonly only?: string;
  readonly good: number;
  readonly bad: boolean;
  readonly directory: string;
  readonly report: string;
  readonly markdown?: string;
}

const flags = new Command("battery")
  .description("Releases bad and good versions under load on a local cloud, and prints what became of each.")
  .option("--only <text>", "only the bad kinds whose name holds this")
  .option("--good <count>", "how many good releases", count, 20)
  .option("--no-bad", "no bad releases")
  .option("--directory <directory>", "where it keeps its state; emptied first", ".strata/battery")
  .option("--report <file>", "where the figures go", "battery.json")
  .option("--markdown <file>", "writes the tables there, too")
  .showHelpAfterError()
  .parse()
  .opts<Flags>();

const directory = path.resolve(root, flags.directory);
await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
const log = await openLogFile(path.join(directory, "cloud.log"));
const cloud = await startLocalCloud({ directory: path.join(directory, "cloud"), port: 0, log: log.write });
const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("cancelled")));

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function run(): Promise<readonly Round[]> {
  const { context } = await provisionLocalContext(cloud, { root, directory, signal: stop.signal });
  await release(context, "all", { allowContract: true });
  const url = (await context.url("hub")) ?? "";
  const client = new HubClient(url, context.secrets["BOOTSTRAP_API_KEY"] ?? "");
  const uploads = loadTenants(await loadFlights());
  for (const upload of uploads) await client.upload({ ...upload, records: upload.records.slice(0, 200) });
  // What is read must be there before it is read.
  await queueDrained(cloud.apiUrl, context.topology.queues.ingest.name, context.clock, stop.signal);
  const operator = new HubClient(url, context.secrets["ADMIN_TOKEN"] ?? "");
  const load = new Load(client, operator, uploads);
  const kinds: readonly Kind[] = [
    ...(flags.bad ? BAD_KINDS.filter(({ name }) => name.includes(flags.only ?? "")) : []),
    ...Array.from({ length: flags.good }, (_, index) => goodKind(index + 1)),
  ];
  const rounds: Round[] = [];
  for (const kind of kinds) {
    const options = { context, load, plan: PLAN, directory: path.join(directory, "variants") };
    const done = await round(kind, options);
    rounds.push(done);
    say(
      `${done.fate.padEnd(10)} ${kind.name}: phase ${done.phase}, ${done.secondsToZero ?? done.secondsOfCopies ?? "–"} s, ${done.harmed} of ${done.counted.requests} harmed ${pc.dim(done.reason.slice(0, 200))}`,
    );
    stop.signal.throwIfAborted();
  }
  client.close();
  operator.close();
  return rounds;
}

try {
  const rounds = await run();
  const bad = rounds.filter(({ kind }) => BAD_KINDS.includes(kind));
  const good = rounds.filter(({ kind }) => !BAD_KINDS.includes(kind));
  const text = [
    ...(bad.length === 0 ? [] : [badTable(bad), ""]),
    ...(good.length === 0 ? [] : [goodTable(good), ""]),
  ].join("\n");
  process.stdout.write(`${text}\n`);
  await writeFile(path.resolve(root, flags.report), `${JSON.stringify(rounds, null, 2)}\n`);
  if (flags.markdown !== undefined) await writeFile(path.resolve(root, flags.markdown), text);
  const faults = verdict(bad, good, INTERVAL_MS);
  for (const fault of faults) say(pc.red(fault));
  process.exitCode = faults.length === 0 ? EXIT.ok : EXIT.failed;
} finally {
  await removeLocalCloud(directory);
  await cloud.stop();
  await log.close();
}
