/** One run of Pulumi's engine: its events as lines for people, its errors without its log, its counts. */
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { CliError, EXIT, messageOf } from "./exit.ts";

/** What a run on the stack did, in resources. */
export interface ChangeSummary {
  readonly created: number;
  readonly updated: number;
  readonly replaced: number;
  readonly deleted: number;
  readonly unchanged: number;
}

function resourceName(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

/** Steps that change nothing, or are parts of a step that is told by another name. */
const UNTOLD: ReadonlySet<string> = new Set(["same", "refresh", "create-replacement", "delete-replaced"]);

/** Follows a run: tells each change, and keeps the errors that the engine reports and what it deleted. */
export function followEngine(onProgress: (line: string) => void) {
  const errors = new Set<string>();
  const changes: string[] = [];
  const deleted: { name: string; type: string }[] = [];
  function onEvent({ diagnosticEvent, resOutputsEvent }: EngineEvent): void {
    if (diagnosticEvent?.severity === "error") {
      errors.add(diagnosticEvent.message.trim());
    }
    if (resOutputsEvent === undefined || UNTOLD.has(resOutputsEvent.metadata.op)) {
      return;
    }
    const { op, urn, type } = resOutputsEvent.metadata;
    if (type.startsWith("cloudflare:")) {
      const change = `${op} ${resourceName(urn)}`;
      changes.push(change);
      onProgress(change);
      if (op === "delete") {
        deleted.push({ name: resourceName(urn), type });
      }
    }
  }
  return { errors, changes, deleted, onEvent };
}

type Follower = ReturnType<typeof followEngine>;

/** The lines in which the CLI itself says what is wrong, out of everything that it printed. */
function cliErrors(error: unknown): readonly string[] {
  const lines = messageOf(error).split("\n");
  const said = lines.filter((line) => line.startsWith("error: ")).map((line) => line.slice("error: ".length));
  return said.length > 0 ? [...new Set(said)] : lines;
}

/**
 * Runs one command of the engine.
 *
 * @param what the command as a verb, for the message
 * @throws {CliError} with what failed in the engine's words, without its log; `data.changes` holds what it had told
 */
export async function runEngine<T>(what: string, follower: Follower, command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (error) {
    const reasons = follower.errors.size > 0 ? [...follower.errors] : cliErrors(error);
    throw new CliError(EXIT.failed, `Pulumi could not ${what} the local stack:\n${reasons.join("\n")}`, {
      data: { changes: follower.changes },
      cause: error,
    });
  }
}

/** The engine's own count, the stack itself included, in the words of a summary. */
export function summarise(changes: Partial<Record<string, number>> | undefined): ChangeSummary {
  const count = (...operations: readonly string[]): number =>
    operations.reduce((sum, operation) => sum + (changes?.[operation] ?? 0), 0);
  return {
    created: count("create", "import"),
    updated: count("update"),
    replaced: count("replace", "create-replacement"),
    deleted: count("delete"),
    unchanged: count("same"),
  };
}
