/**
 * What a running local cloud leaves for the other scripts: where it listens
 * (`cloud.json`) and the secrets of its Workers (`secrets.json`), both below
 * the state directory, readable by their owner only.
 */
import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { WORKER_KEYS } from "../../infra/topology.ts";
import { CliError, EXIT } from "./exit.ts";
import { writeJson } from "./json-file.ts";

const localCloudSchema = z.strictObject({
  /** Base of its REST API, `http://127.0.0.1:<port>/client/v4`. */
  apiUrl: z.url(),
  accountId: z.string().regex(/^[0-9a-f]{32}$/),
  apiToken: z.string().min(1),
  /** Base URL of each Worker, without a slash at the end. */
  urls: z.record(z.enum(WORKER_KEYS), z.url()),
  /** Process that serves it: a file left by a killed one is recognised by it. */
  pid: z.int().positive(),
});

export type LocalCloud = z.infer<typeof localCloudSchema>;

const secretsSchema = z.record(z.string(), z.string().min(1));

const SECRET_BYTES = 24;
const OWNER_ONLY = 0o600;

/** `.strata` in the repository, or `STRATA_STATE_DIRECTORY`: two runs live side by side in two of them. */
export function stateDirectory(root: string, env: NodeJS.ProcessEnv): string {
  const chosen = env["STRATA_STATE_DIRECTORY"];
  return chosen === undefined || chosen === "" ? path.join(root, ".strata") : path.resolve(root, chosen);
}

function localFile(directory: string, name: string): string {
  return path.join(directory, "local", name);
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Says where the local cloud of this state directory listens. */
export async function writeLocalCloud(directory: string, cloud: LocalCloud): Promise<void> {
  await writeJson(localFile(directory, "cloud.json"), localCloudSchema.parse(cloud), OWNER_ONLY);
}

/** To be called when the local cloud stops. */
export async function removeLocalCloud(directory: string): Promise<void> {
  await rm(localFile(directory, "cloud.json"), { force: true });
}

/**
 * The running local cloud.
 * @throws {CliError} when none runs, or its file cannot be read
 */
export async function readLocalCloud(directory: string): Promise<LocalCloud> {
  const file = localFile(directory, "cloud.json");
  const text = await readIfThere(file);
  if (text === null) throw notRunning();
  const cloud = parseFile(file, text, localCloudSchema, "Start the local cloud again: npm run dev");
  if (!isAlive(cloud.pid)) throw notRunning();
  return cloud;
}

/** @throws {CliError} naming the file and its faults, with the way out */
function parseFile<T>(file: string, text: string, schema: z.ZodType<T>, wayOut: string): T {
  const parsed = z
    .string()
    .transform((json, context): unknown => {
      try {
        return JSON.parse(json);
      } catch {
        context.addIssue({ code: "custom", message: "is not JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema)
    .safeParse(text);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`,
  );
  throw new CliError(EXIT.failed, `${file} cannot be read`, { hints: [...faults, wayOut] });
}

function notRunning(): CliError {
  return new CliError(EXIT.failed, "No local cloud is running", {
    hints: ["Start one: npm run dev, or npm run rehearse -- --keep"],
  });
}

/**
 * The secrets of the local Workers: made once, then kept, so that a second
 * release finds the hub with the token that it knows.
 * @throws {CliError} when their file cannot be read
 */
export async function localSecrets(
  directory: string,
  names: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const file = localFile(directory, "secrets.json");
  const text = await readIfThere(file);
  // The Workers hold what stood in the file: other values would not open them.
  const wayOut = `Mend it; or stop the cloud, delete ${path.dirname(file)} with all its data, and start anew: npm run dev`;
  const kept = text === null ? {} : parseFile(file, text, secretsSchema, wayOut);
  const missing = names.filter((name) => kept[name] === undefined);
  if (missing.length === 0) return kept;
  const made = Object.fromEntries(
    missing.map((name) => [name, randomBytes(SECRET_BYTES).toString("base64url")]),
  );
  const secrets = { ...kept, ...made };
  await writeJson(file, secrets, OWNER_ONLY);
  return secrets;
}
