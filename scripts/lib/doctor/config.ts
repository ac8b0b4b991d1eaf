/** The variables and files that a release reads: what is missing, and what contradicts each other. */
import type { Environment, Topology } from "../../../infra/topology.ts";
import { InvalidPlanError } from "../../../worker/src/rollout/plan.ts";
import type { RolloutPlan } from "../../../worker/src/rollout/contract.ts";
import { optionalSecretNames, secretNames } from "../environment.ts";
import { check, type DoctorCheck } from "./check.ts";

export interface ConfigFacts {
  readonly environment: Environment;
  readonly topology: Topology;
  readonly env: NodeJS.ProcessEnv;
  /** Names of secrets whose values are known here. */
  readonly known: ReadonlySet<string>;
  /** Account that the stack was provisioned in; `null` where that is not known. */
  readonly accountId: string | null;
}

const valueOf = (env: NodeJS.ProcessEnv, name: string): string | null =>
  env[name]?.replace(/\/+$/, "") || null;

const ADMIN_TOKEN = "ADMIN_TOKEN";
const TOKENS_PAGE = "https://dash.cloudflare.com/profile/api-tokens";

function apiToken({ env }: ConfigFacts): DoctorCheck {
  return valueOf(env, "CLOUDFLARE_API_TOKEN") === null
    ? check(
        "config",
        "api-token",
        "fail",
        "CLOUDFLARE_API_TOKEN is not set",
        `Create a token at ${TOKENS_PAGE} and export it; npm run doctor -- --scopes says what it needs.`,
      )
    : check("config", "api-token", "ok", "CLOUDFLARE_API_TOKEN is set");
}

const isHttp = (text: string): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? "");

function address({ env }: ConfigFacts, name: string): readonly DoctorCheck[] {
  const value = valueOf(env, name);
  if (value === null || isHttp(value)) return [];
  const id = name.toLowerCase().replaceAll("_", "-");
  return [
    check("config", id, "fail", `${name} is not a URL: ${value}`, "Set an http or https URL, or unset it."),
  ];
}

/** Wrangler reads one variable, Pulumi's provider another; the release scripts take whichever is set. */
function sameAddress({ env }: ConfigFacts): DoctorCheck {
  const wrangler = valueOf(env, "CLOUDFLARE_API_BASE_URL");
  const provider = valueOf(env, "CLOUDFLARE_BASE_URL");
  if (wrangler === provider) {
    return check("config", "api-address", "ok", `Cloudflare's API at ${wrangler ?? "its usual address"}`);
  }
  return check(
    "config",
    "api-address",
    "fail",
    `CLOUDFLARE_API_BASE_URL is ${wrangler ?? "not set"} and CLOUDFLARE_BASE_URL is ${provider ?? "not set"}: releases and pulumi up would go to two places`,
    "Set both to the same address, or neither.",
  );
}

function account({ env, accountId }: ConfigFacts): readonly DoctorCheck[] {
  const wanted = valueOf(env, "CLOUDFLARE_ACCOUNT_ID");
  if (wanted === null || accountId === null || wanted === accountId) return [];
  return [
    check(
      "config",
      "account",
      "warn",
      `CLOUDFLARE_ACCOUNT_ID is ${wanted}, and the stack was provisioned in account ${accountId}: releases go to the latter, the next pulumi up may not`,
      `export CLOUDFLARE_ACCOUNT_ID=${accountId}`,
    ),
  ];
}

function secrets({ topology, known, environment }: ConfigFacts): readonly DoctorCheck[] {
  const needed = secretNames(topology).filter((name) => name !== ADMIN_TOKEN);
  const missing = needed.filter((name) => !known.has(name));
  const optional = optionalSecretNames(topology).filter((name) => !known.has(name));
  return [
    known.has(ADMIN_TOKEN)
      ? check("config", "admin-token", "ok", `${ADMIN_TOKEN} is known here`)
      : check(
          "config",
          "admin-token",
          "fail",
          `${ADMIN_TOKEN} is not set: the rollout of ${environment} is steered with it`,
          `Export the ${ADMIN_TOKEN} that the hub has; for a first release, make one: openssl rand -base64 32`,
        ),
    missing.length === 0
      ? check("config", "secrets", "ok", `known here: ${needed.join(", ")}`)
      : check(
          "config",
          "secrets",
          // What the Workers have needs no value here; `release/secrets-…` says what they lack.
          "warn",
          `no value here for ${missing.join(", ")}: smoke checks then go without, and a Worker that lacks one is not released`,
          `Export ${missing.join(", ")}.`,
        ),
    check(
      "config",
      "optional-secrets",
      "ok",
      optional.length === 0
        ? "notifications and webhooks have their secrets"
        : `not set here, and not needed: ${optional.join(", ")} (a hub that has them keeps them)`,
    ),
  ];
}

/** What is wrong with the environment's variables. */
export function configChecks(facts: ConfigFacts): readonly DoctorCheck[] {
  if (facts.environment === "local") return secrets(facts);
  return [
    apiToken(facts),
    sameAddress(facts),
    ...["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL", "STRATA_HUB_URL"].flatMap((name) =>
      address(facts, name),
    ),
    ...account(facts),
    ...secrets(facts),
  ];
}

/** The plan that a release of the environment goes by; its file throws where it is not valid. */
export async function loadPlan(environment: Environment): Promise<RolloutPlan> {
  const plans = await import("../../rollout.plan.ts");
  return environment === "local" ? plans.local : plans.default;
}

/** Whether a release would take the plan. */
export async function planCheck(load: () => Promise<RolloutPlan>): Promise<DoctorCheck> {
  try {
    const { phases, onFail } = await load();
    const detail = `${phases.length} phases; a bad canary is ${onFail === "freeze" ? "frozen" : "taken back"}`;
    return check("config", "plan", "ok", `rollout plan: ${detail}`);
  } catch (error) {
    if (!(error instanceof InvalidPlanError)) throw error;
    const faults = error.faults.map(({ path, message }) => `${path} ${message}`);
    return check(
      "config",
      "plan",
      "fail",
      `the rollout plan is not valid: ${faults.join("; ")}`,
      "Mend scripts/rollout.plan.ts; docs/rollouts.md explains its fields.",
    );
  }
}
