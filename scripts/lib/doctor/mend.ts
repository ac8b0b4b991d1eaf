/** Sentences that several checks end with. */
import type { Environment } from "../../../infra/topology.ts";
import type { Unanswered } from "../cloudflare-inventory.ts";
import { check, type DoctorCheck } from "./check.ts";

/** How what differs from the topology becomes as it says. */
export function provisionAgain(environment: Environment): string {
  return environment === "local"
    ? "Provision again: restart npm run dev"
    : `Provision again: npx pulumi up --refresh --stack ${environment}`;
}

/** The finding about something that could not be looked at. @param id without its area, `kv-cache` */
export function unanswered(id: string, what: string, { error }: Unanswered): DoctorCheck {
  return check(
    "resources",
    id,
    "skipped",
    `${what} could not be looked at: ${error.message}`,
    error.hints[0] ?? null,
  );
}
