/** What the API token is for, step by step, and how much of that it is seen to have. */
import type { Answered, Inventory } from "../cloudflare-inventory.ts";
import { check, type DoctorCheck } from "./check.ts";

/**
 * Permission groups by step, as the dashboard names them, at account level.
 * Source: developers.cloudflare.com/fundamentals/api/reference/permissions.
 */
export const TOKEN_SCOPES: readonly { readonly step: string; readonly groups: readonly string[] }[] = [
  {
    step: "pulumi up",
    groups: [
      "Workers Scripts: Edit",
      "Workers KV Storage: Edit",
      "D1: Edit",
      "Workers R2 Storage: Edit",
      "Queues: Edit",
    ],
  },
  { step: "npm run migrate", groups: ["D1: Edit", "Account Settings: Read"] },
  {
    step: "npm run release:*",
    groups: [
      "Workers Scripts: Edit",
      "D1: Edit",
      "Queues: Edit",
      "Workers KV Storage: Read",
      "Workers R2 Storage: Read",
      "Account Settings: Read",
    ],
  },
  {
    step: "npm run rollback",
    groups: [
      "Workers Scripts: Edit",
      "Workers KV Storage: Read",
      "D1: Read",
      "Workers R2 Storage: Read",
      "Queues: Read",
      "Account Settings: Read",
    ],
  },
  {
    step: "npm run status, doctor, plan",
    groups: [
      "Workers Scripts: Read",
      "Workers KV Storage: Read",
      "D1: Read",
      "Workers R2 Storage: Read",
      "Queues: Read",
    ],
  },
];

const TOKENS_PAGE = "https://dash.cloudflare.com/profile/api-tokens";

const isRefused = (status: number | null): boolean => status === 401 || status === 403;

function groupCheck(name: string, group: string, answer: Answered<unknown>): DoctorCheck {
  if ("value" in answer) {
    return check("token", name, "ok", `${group}: may be read (whether it may be edited shows when it is)`);
  }
  const { error, status } = answer;
  const mend = isRefused(status)
    ? `Add "${group}: Edit" to the token at ${TOKENS_PAGE}.`
    : (error.hints[0] ?? null);
  return check("token", name, "fail", `${group}: ${error.message}`, mend);
}

function activeCheck(token: Answered<string>): DoctorCheck {
  const anew = `Make a new one at ${TOKENS_PAGE}.`;
  if ("value" in token) {
    return token.value === "active"
      ? check("token", "active", "ok", "the API token is active")
      : check("token", "active", "fail", `the API token is ${token.value}`, anew);
  }
  // Only a user's token can ask about itself; what an account's token may do, the groups show.
  return check(
    "token",
    "active",
    "skipped",
    `the token does not say whether it is active: ${token.error.message}`,
  );
}

/**
 * Asks one harmless question of every product. A token that is refused by all of them, or an
 * API that cannot be reached at all, is one finding, not one for each product.
 */
export async function tokenChecks(inventory: Inventory): Promise<readonly DoctorCheck[]> {
  const [token, workers, kv, d1, r2, queues] = await Promise.all([
    inventory.token(),
    inventory.workers(),
    inventory.kv(),
    inventory.d1(),
    inventory.r2(),
    inventory.queues(),
  ]);
  const groups: readonly (readonly [string, string, Answered<unknown>])[] = [
    ["workers", "Workers Scripts", workers],
    ["kv", "Workers KV Storage", kv],
    ["d1", "D1", d1],
    ["r2", "Workers R2 Storage", r2],
    ["queues", "Queues", queues],
  ];
  const failures = groups.flatMap(([, , answer]) => ("error" in answer ? [answer] : []));
  const [first] = failures;
  if (first !== undefined && failures.length === groups.length) {
    if (failures.every(({ status }) => status === null)) {
      return [check("token", "api", "fail", first.error.message, first.error.hints.join("\n"))];
    }
    if (failures.every(({ status }) => isRefused(status))) {
      const mend = `Check that it is the right token and account, or make a new one at ${TOKENS_PAGE}; npm run doctor -- --scopes says what it needs.`;
      return [
        check("token", "active", "fail", `every product refuses the API token: ${first.error.message}`, mend),
      ];
    }
  }
  return [activeCheck(token), ...groups.map((group) => groupCheck(...group))];
}

/** Whether the account answered anything, so that it is worth asking more of it. */
export function isOpenTo(checks: readonly DoctorCheck[]): boolean {
  return checks.some(({ id, status }) => id !== "token/active" && status === "ok");
}
