/** `npm run destroy:local`, and `npm run destroy:staging` behind its guard. */
import { isCancel, text } from "@clack/prompts";
import { CommanderError } from "commander";
import path from "node:path";
import type { Environment } from "../infra/topology.ts";
import { destroyRunningLocal, destroyStack, requireConsent, SURVIVING } from "./lib/destroy.ts";
import { CliError, EXIT, messageOf } from "./lib/exit.ts";
import { stateDirectory } from "./lib/local-state.ts";
import { createCommand } from "./lib/program.ts";
import { describeTools } from "./lib/provision.ts";

const root = path.join(import.meta.dirname, "..");

interface Options {
  readonly env: Environment;
  readonly yes: boolean;
  readonly json: boolean;
}

function tell(...lines: readonly string[]): void {
  process.stderr.write(lines.map((line) => `${line}\n`).join(""));
}

async function askAtTerminal(question: string): Promise<string | null> {
  const answer = await text({ message: question, output: process.stderr });
  return isCancel(answer) ? null : answer;
}

async function destroy({ env, yes, json }: Options): Promise<void> {
  await requireConsent({ environment: env, yes, ask: process.stdin.isTTY ? askAtTerminal : null });
  if (env !== "local") {
    await destroyStack(root, env);
    tell(`Destroyed "${env}".`, ...SURVIVING);
    if (json) {
      process.stdout.write(
        `${JSON.stringify({ environment: env, destroyed: true, survivors: SURVIVING })}\n`,
      );
    }
    return;
  }
  const result = await destroyRunningLocal(stateDirectory(root, process.env), (line) => tell(`  ${line}`));
  tell(
    `Destroyed the local stack (${describeTools(result)}): ${result.summary.deleted} deleted.`,
    ...result.survivors.map(({ resource, what }) => `  ${resource}: ${what}`),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify({ environment: env, ...result })}\n`);
  }
}

/** The flags; wrong ones end the process with the code for wrong usage. */
function readFlags(): Options {
  const command = createCommand("destroy", "Deletes what Pulumi made for an environment.").option(
    "--yes",
    "do not ask for the environment's name",
    false,
  );
  try {
    return command.parse().opts<Options>();
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}

try {
  await destroy(readFlags());
} catch (error) {
  tell(messageOf(error), ...(error instanceof CliError ? error.hints.map((hint) => `  ${hint}`) : []));
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
}
