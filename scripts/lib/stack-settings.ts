/** The settings of the local stack's file, and whether they are those that were provisioned. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { YAML } from "zx";
import { z } from "zod";
import { StackConfigError, parseStackConfig } from "../../infra/config.ts";
import type { StackSettings } from "../../infra/topology.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";

const root = path.resolve(import.meta.dirname, "../..");

const stackFileSchema = z.object({ config: z.record(z.string(), z.unknown()).nullish() }).nullish();

/** @throws {CliError} usage, when it is not the YAML of a stack */
async function readStackFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  const wrong = (hints: readonly string[], cause: unknown): CliError =>
    new CliError(EXIT.usage, `${path.basename(file)} cannot be read`, { hints, cause });
  let content: unknown;
  try {
    content = YAML.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw wrong([messageOf(error)], error);
  }
  const { success, data, error } = stackFileSchema.safeParse(content);
  if (success) return data?.config ?? {};
  const faults = error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  throw wrong(faults, error);
}

/**
 * The settings of a stack file, read without Pulumi.
 *
 * @throws {CliError} usage, listing every fault
 */
export async function readLocalSettings(
  accountId: string,
  file: string = path.join(root, "Pulumi.local.yaml"),
): Promise<StackSettings> {
  const config = await readStackFile(file);
  // Pulumi hands a program every scalar as text and everything else as JSON.
  const texts = Object.entries(config).map(([key, value]): [string, string] => [
    key,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  try {
    return parseStackConfig("local", Object.fromEntries(texts), accountId).settings;
  } catch (error) {
    throw error instanceof StackConfigError
      ? new CliError(EXIT.usage, error.message, { cause: error })
      : error;
  }
}

/**
 * Warnings about `Pulumi.local.yaml`, a line each: a release takes its settings
 * from what was provisioned, so a change of the file alone would come to nothing
 * without a word. Empty for the other environments, which Pulumi compares itself.
 */
export async function settingsWarnings(
  { environment, topology, ids }: Pick<ReleaseContext, "environment" | "topology" | "ids">,
  file?: string,
): Promise<readonly string[]> {
  if (environment !== "local") return [];
  try {
    const settings = await readLocalSettings(ids.accountId, file);
    if (isDeepStrictEqual(settings, topology.settings)) return [];
    return ["Pulumi.local.yaml has changed since it was provisioned: restart npm run dev"];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [error.message, ...error.hints];
  }
}
