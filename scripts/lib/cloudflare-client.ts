/** The official SDK as the scripts use it: one way to open it, one way to read an answer, one sentence for a fault. */
import { z } from "zod";
import { CliError, EXIT, messageOf } from "./exit.ts";

export interface CloudflareAccount {
  /** Base of the REST API, for example `https://api.cloudflare.com/client/v4`. */
  readonly apiUrl: string;
  readonly accountId: string;
  readonly apiToken: string;
}

const TIMEOUT_MS = 30_000;
const MAX_RETRIES = 2;

/** Importing the SDK takes a third of a second, so it is loaded here, when it is needed. */
export async function openClient(account: CloudflareAccount) {
  const [{ createClient }, { BaseSubdomains }] = await Promise.all([
    import("cloudflare/tree-shakable"),
    import("cloudflare/resources/workers/subdomains"),
  ]);
  return createClient({
    resources: [BaseSubdomains],
    apiToken: account.apiToken,
    baseURL: account.apiUrl,
    timeout: TIMEOUT_MS,
    maxRetries: MAX_RETRIES,
    logLevel: "off",
  });
}

/**
 * The `result` of an answer.
 * @throws {CliError} failed, listing how its shape differs from the one that is known
 */
export function resultOf<T>(answer: unknown, schema: z.ZodType<T>, call: string): T {
  const parsed = z.object({ result: schema }).safeParse(answer);
  if (parsed.success) return parsed.data.result;
  throw new CliError(EXIT.failed, `Cloudflare's API answered in an unknown shape: ${call}`, {
    hints: parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
  });
}

/** What the API said of a call that it refused. */
export interface ApiFault {
  readonly status: number;
  readonly codes: readonly number[];
  readonly message: string;
}

const faultSchema = z.object({
  status: z.number(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })).optional(),
});

/** What the API said; `null` when there was no answer at all. */
export function apiFault(error: unknown): ApiFault | null {
  const parsed = faultSchema.safeParse(error);
  if (!parsed.success) return null;
  const { status, errors = [] } = parsed.data;
  return {
    status,
    codes: errors.map(({ code }) => code),
    message: errors.map(({ code, message }) => `${message} [code: ${code}]`).join("; ") || messageOf(error),
  };
}

/** The sentence for a failed call: whose fault it is and how to mend it. */
export function apiError(error: unknown, account: CloudflareAccount, call: string): CliError {
  const fault = apiFault(error);
  if (fault === null) {
    return new CliError(EXIT.failed, `Cloudflare's API cannot be reached at ${account.apiUrl}`, {
      hints: [
        "Check the network, and CLOUDFLARE_API_BASE_URL if it is set.",
        `The call was: ${call} (${messageOf(error)})`,
      ],
      cause: error,
    });
  }
  if (fault.status === 401 || fault.status === 403) {
    return new CliError(EXIT.credentials, `Cloudflare refused the API token: ${fault.message}`, {
      hints: [`CLOUDFLARE_API_TOKEN must be allowed to: ${call} in account ${account.accountId}.`],
      cause: error,
    });
  }
  return new CliError(EXIT.failed, `Cloudflare's API answered ${fault.status}: ${fault.message}`, {
    hints: [`The call was: ${call}`],
    cause: error,
  });
}
