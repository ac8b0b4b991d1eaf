#!/usr/bin/env node
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import {
  DirectoryInUseError,
  type LocalCloud,
  type ProcessFile,
  readProcessFile,
  startLocalCloud,
} from "../src/index.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 50;
const DEFAULT_DIRECTORY = ".localcloud";

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidArgumentError("a port is a whole number from 0 to 65535");
  }
  return port;
}

function fail(message: string): void {
  process.stderr.write(`${pc.red("error")} ${message}\n`);
  process.exitCode = EXIT_FAILED;
}

function announce(cloud: LocalCloud, json: boolean): void {
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ apiUrl: cloud.apiUrl, accountId: cloud.accountId, apiToken: cloud.apiToken, env: cloud.environment })}\n`,
    );
    return;
  }
  const exports = Object.entries(cloud.environment).map(([name, value]) => `  export ${name}=${value}`);
  process.stdout.write(
    `${pc.green("local cloud")} ${cloud.apiUrl}\n\n${exports.join("\n")}\n\n${pc.dim("Ctrl-C stops it.")}\n`,
  );
}

interface StartFlags {
  readonly dir: string;
  readonly port: number;
  readonly token?: string;
  readonly account?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

async function start(flags: StartFlags): Promise<void> {
  let cloud: LocalCloud;
  try {
    cloud = await startLocalCloud({
      directory: flags.dir,
      port: flags.port,
      log: (line) => {
        if (flags.quiet !== true) {
          process.stderr.write(`${line}\n`);
        }
      },
      ...(flags.token === undefined ? {} : { apiToken: flags.token }),
      ...(flags.account === undefined ? {} : { accountId: flags.account }),
    });
  } catch (error) {
    if (error instanceof DirectoryInUseError) {
      const owner = readProcessFile(flags.dir);
      const where = owner === null ? "" : `: process ${owner.pid} serves it at ${owner.apiUrl}`;
      return fail(`${error.message}${where}. Stop it with "localcloud stop --dir ${flags.dir}".`);
    }
    return fail(error instanceof Error ? error.message : String(error));
  }
  const signal = Promise.withResolvers<void>();
  process.on("SIGINT", signal.resolve);
  process.on("SIGTERM", signal.resolve);
  announce(cloud, flags.json === true);
  await Promise.race([signal.promise, cloud.stopRequested]);
  await cloud.stop();
  process.off("SIGINT", signal.resolve);
  process.off("SIGTERM", signal.resolve);
}

function running(directory: string): ProcessFile | null {
  const owner = readProcessFile(directory);
  if (owner === null) {
    fail(`no local cloud serves ${directory}.`);
  }
  return owner;
}

async function stop({ dir }: { dir: string }): Promise<void> {
  const owner = running(dir);
  if (owner === null) {
    return;
  }
  await fetch(new URL("/__local/stop", owner.apiUrl), { method: "POST" });
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (readProcessFile(dir) !== null) {
    if (Date.now() > deadline) {
      return fail(`process ${owner.pid} has not stopped within ${STOP_TIMEOUT_MS / 1000} s.`);
    }
    await sleep(POLL_MS);
  }
  process.stderr.write("stopped\n");
}

async function status({ dir }: { dir: string }): Promise<void> {
  const owner = running(dir);
  if (owner === null) {
    return;
  }
  const response = await fetch(new URL("/__local/state", owner.apiUrl));
  const state: unknown = await response.json();
  process.stdout.write(`${JSON.stringify({ ...owner, state }, null, 2)}\n`);
}

const program = new Command("localcloud")
  .description("Cloudflare's REST API and data plane on a laptop")
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
  });

program
  .command("start")
  .description("serve a directory until Ctrl-C")
  .option("--dir <directory>", "where everything is kept", DEFAULT_DIRECTORY)
  .option("--port <port>", "port of the API; 0 takes a free one", parsePort, 0)
  .option("--token <token>", "API token that clients must bear")
  .option("--account <id>", "account id, 32 hex digits")
  .option("--json", "print URLs and environment as one line of JSON")
  .option("--quiet", "no log on stderr")
  .action(start);

program
  .command("stop")
  .description("stop the local cloud that serves a directory")
  .option("--dir <directory>", "its directory", DEFAULT_DIRECTORY)
  .action(stop);

program
  .command("status")
  .description("print what runs there, as JSON")
  .option("--dir <directory>", "its directory", DEFAULT_DIRECTORY)
  .action(status);

await program.parseAsync();
