/** Taking a stack down: the local one inline, staging behind a guard, production not at all. */
import { spawn } from "node:child_process";
import path from "node:path";
import { z } from "zod";
import { topology, type Environment } from "../../infra/topology.ts";
import type { ChangeSummary } from "./engine-run.ts";
import { CliError, EXIT } from "./exit.ts";
import { readLocalCloud } from "./local-state.ts";
import type { LocalAccount, Tools } from "./local-stack.ts";
import { requireLoopback } from "../../tools/localcloud/src/provider/index.ts";
import { destroyLocal, localStackDirectory, type Survivor } from "./provision.ts";

/** How to let go of what is protected; `--all` is every resource of the stack. */
export function unprotectInstructions(environment: Environment): readonly string[] {
  return [
    "Databases, buckets and Worker shells are protected. Back up what you need (docs/), then let go of them:",
    `  npx pulumi state unprotect --all --stack ${environment}`,
    "and run this again. A bucket must be empty before it can be deleted.",
  ];
}

/** What every destroyed stack leaves behind, whichever provider did it. */
export const SURVIVING = [
  "lifecycle rules stay on a bucket that was kept: the API has no call that deletes them",
  "cron triggers stay on a script that was kept: the API has no call that deletes them",
] as const;

export interface DestroyRequest {
  readonly environment: Environment;
  /** `--yes` was given. */
  readonly yes: boolean;
  /** Asks for the environment's name; `null` where there is no terminal to ask at. Resolves to `null` when cancelled. */
  readonly ask: ((question: string) => Promise<string | null>) | null;
}

/**
 * Decides whether a stack may be destroyed.
 *
 * @throws {CliError} usage (production, or no confirmation and no terminal), or cancelled
 */
export async function requireConsent({ environment, yes, ask }: DestroyRequest): Promise<void> {
  switch (environment) {
    case "local":
      return;
    case "production":
      throw new CliError(EXIT.usage, "No script destroys production.", {
        hints: ["Whoever really means it uses Pulumi directly and lifts each protection by hand."],
      });
    case "staging": {
      if (yes) {
        return;
      }
      if (ask === null) {
        throw new CliError(EXIT.usage, `Destroying "${environment}" needs --yes where there is no terminal.`);
      }
      const typed = await ask(`This deletes "${environment}". Type its name to go on`);
      if (typed !== environment) {
        throw new CliError(EXIT.cancelled, "Nothing was destroyed.");
      }
    }
  }
}

/**
 * Destroys the stack of the local cloud that runs from a state directory.
 *
 * @throws {CliError} when none runs, or the engine refuses
 */
export async function destroyRunningLocal(
  directory: string,
  onProgress: (line: string) => void,
): Promise<Tools & { summary: ChangeSummary; survivors: readonly Survivor[] }> {
  const { apiUrl, accountId, apiToken } = await readLocalCloud(directory);
  const account = { apiUrl, accountId, apiToken };
  // A bucket that holds objects cannot be deleted; here they are nobody's only copy.
  for (const { name } of Object.values(topology("local").r2)) {
    const objects = await emptyBucket(account, name);
    if (objects > 0) onProgress(`empty ${name} (${objects} objects)`);
  }
  return destroyLocal({ ...account, stateDirectory: localStackDirectory(directory), onProgress });
}

const objectsSchema = z.object({ result: z.array(z.object({ key: z.string() })) });

/** @returns how many objects were deleted; 0 when there is no such bucket */
async function emptyBucket({ apiUrl, accountId, apiToken }: LocalAccount, bucket: string): Promise<number> {
  requireLoopback(apiUrl);
  const objects = `${apiUrl}/accounts/${accountId}/r2/buckets/${bucket}/objects`;
  const headers = { authorization: `Bearer ${apiToken}` };
  for (let deleted = 0; ;) {
    const response = await fetch(objects, { headers });
    if (response.status === 404) return deleted;
    if (!response.ok) throw new CliError(EXIT.failed, `The objects of ${bucket} cannot be listed`);
    const { result } = objectsSchema.parse(await response.json());
    if (result.length === 0) return deleted;
    for (const { key } of result) {
      const url = `${objects}/${key.split("/").map(encodeURIComponent).join("/")}`;
      const answer = await fetch(url, { method: "DELETE", headers });
      if (!answer.ok) throw new CliError(EXIT.failed, `${key} in ${bucket} cannot be deleted`);
      deleted += 1;
    }
  }
}

/**
 * Destroys a stack on a real account through `pulumi destroy`, which previews
 * first and deletes nothing when anything is protected.
 *
 * @throws {CliError} with the way out when Pulumi refuses
 */
export async function destroyStack(root: string, environment: Environment): Promise<void> {
  const child = spawn(
    process.execPath,
    [path.join(root, "node_modules/pulumi/run.js"), "destroy", "--yes", "--stack", environment],
    // Pulumi's own words are for people, and stdout is for data.
    { cwd: root, stdio: ["ignore", process.stderr, process.stderr] },
  );
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new CliError(EXIT.failed, `Pulumi did not destroy "${environment}".`, {
      hints: unprotectInstructions(environment),
    });
  }
}
