/** The hub of an environment as the scripts reach it. */
import { hostname, userInfo } from "node:os";
import { requireSecret, type ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { createRolloutClient, type RolloutClient } from "./client.ts";

/**
 * Base URL of the released hub.
 * @throws {CliError} failed, when it has none
 */
export async function hubUrl(context: ReleaseContext): Promise<string> {
  const url = await context.url("hub");
  if (url !== null) return url;
  throw new CliError(EXIT.failed, "The hub has no address", {
    hints: ["Give the account a workers.dev subdomain, or set STRATA_HUB_URL."],
  });
}

/**
 * The admin tokens that the hub may have, the present one first.
 * @throws {CliError} credentials, when ADMIN_TOKEN is not known
 */
export function adminTokens(context: ReleaseContext): readonly [string, ...string[]] {
  const token = requireSecret(context, "ADMIN_TOKEN", "The hub's admin API asks for it");
  const previous = context.secrets["ADMIN_TOKEN_PREVIOUS"];
  return previous === undefined ? [token] : [token, previous];
}

/** Who runs this, for the rollout's history: printable ASCII, at most 64 characters. */
function actor(): string {
  let user = "someone";
  try {
    user = userInfo().username;
  } catch {
    // A container may run under a user without a name.
  }
  return `${user}@${hostname()}`.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 64);
}

/**
 * The admin API of the released hub.
 * @throws {CliError} credentials, when ADMIN_TOKEN is not known; failed, when the hub has no address
 */
export async function openHub(context: ReleaseContext): Promise<RolloutClient> {
  const { clock, signal, fetch } = context;
  const tokens = adminTokens(context);
  return createRolloutClient({ url: await hubUrl(context), tokens, clock, signal, fetch, actor: actor() });
}
