import type { RolloutState } from "../../worker/src/rollout/contract.ts";
import { requireSecret, type ReleaseContext } from "./environment.ts";
import { CliError, EXIT } from "./exit.ts";
import { createRolloutClient, type RolloutClient } from "./rollout-client.ts";

/**
 * The admin API of the released hub.
 * @throws {CliError} credentials, when ADMIN_TOKEN is not known; failed, when the hub has no address
 */
export async function openHub(context: ReleaseContext): Promise<RolloutClient> {
  const { secrets, clock, signal, fetch } = context;
  const token = requireSecret(context, "ADMIN_TOKEN", "The hub's admin API asks for it");
  const url = await context.url("hub");
  if (url === null) {
    throw new CliError(EXIT.failed, "The hub has no address", {
      hints: ["Give the account a workers.dev subdomain, or set STRATA_HUB_URL."],
    });
  }
  const previous = secrets["ADMIN_TOKEN_PREVIOUS"];
  return createRolloutClient({
    url,
    tokens: previous === undefined ? [token] : [token, previous],
    clock,
    signal,
    fetch,
  });
}

/** One line about where a rollout stands. */
export function describeRollout({ id, status, phase, shares, release }: RolloutState): string {
  const what = `rollout ${id ?? "(none)"} of ${release?.tag ?? "nothing"}`;
  return status === "active"
    ? `${what}: in phase ${phase} (reads ${shares.read} %, writes ${shares.write} %)`
    : `${what}: ${status} in phase ${phase}`;
}
