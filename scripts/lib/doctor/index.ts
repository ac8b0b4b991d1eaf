/** The doctor: everything that a release depends on, looked at and not touched. */
import type { StackOutputs } from "../../../infra/outputs.ts";
import { topology, type Environment } from "../../../infra/topology.ts";
import type { RolloutPlan } from "../../../worker/src/rollout/contract.ts";
import type { Inventory } from "../cloudflare-inventory.ts";
import type { CloudflareAccount } from "../cloudflare-client.ts";
import { withEnvironment } from "../program.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { budgetChecks } from "./budget.ts";
import { check, type Area, type DoctorCheck, type DoctorReport } from "./check.ts";
import { configChecks, planCheck } from "./config.ts";
import { driftChecks } from "./drift.ts";
import { releaseChecks } from "./release.ts";
import { stateCheck } from "./state.ts";
import { isOpenTo, tokenChecks } from "./token.ts";
import { toolChecks } from "./tools.ts";

export { AREAS, exitCodeOf, isHealthy, type Area, type DoctorCheck, type DoctorReport } from "./check.ts";
export { TOKEN_SCOPES } from "./token.ts";

export interface DoctorOptions {
  readonly root: string;
  readonly environment: Environment;
  readonly env: NodeJS.ProcessEnv;
  /** Opens the environment; what keeps it from opening is a finding, not an end. */
  readonly open: () => Promise<ReleaseContext>;
  /** The stack's outputs, for an environment that does not open for another reason. */
  readonly outputs: () => Promise<StackOutputs>;
  readonly inventory: (account: CloudflareAccount) => Promise<Inventory>;
  readonly plan: () => Promise<RolloutPlan>;
}

const hintOf = ({ hints }: CliError): string | null => (hints.length === 0 ? null : hints.join("\n"));

/** What throws in one part must not hide the others. */
async function part(
  area: Area,
  name: string,
  work: () => Promise<readonly DoctorCheck[]>,
): Promise<readonly DoctorCheck[]> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [check(area, name, "fail", error.message, hintOf(error))];
  }
}

/** What the work came to, or the error that was expected. */
async function opened<T>(work: () => Promise<T>): Promise<T | CliError> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return error;
  }
}

const isLoginMissing = ({ exitCode }: CliError): boolean => exitCode === EXIT.credentials;

/** Of an environment that does not open: why, and all that can be said without it. */
async function closedChecks(
  { environment, env, outputs, inventory }: DoctorOptions,
  why: CliError,
): Promise<readonly DoctorCheck[]> {
  const wanted = topology(environment);
  const known = new Set(Object.keys(env).filter((name) => env[name] !== ""));
  const accountId = env["CLOUDFLARE_ACCOUNT_ID"] || null;
  // A local cloud that does not run is the whole reason: its own secrets stand beside it.
  if (environment === "local") return [check("config", "environment", "fail", why.message, hintOf(why))];
  const config = configChecks({ environment, topology: wanted, env, known, accountId: null });
  const stack = await opened(outputs);
  const apiToken = env["CLOUDFLARE_API_TOKEN"] || null;
  const apiUrl =
    env["CLOUDFLARE_API_BASE_URL"] || env["CLOUDFLARE_BASE_URL"] || "https://api.cloudflare.com/client/v4";
  const token =
    apiToken === null || accountId === null || !URL.canParse(apiUrl)
      ? [
          check(
            "token",
            "api",
            "skipped",
            "the API token was not tried: that needs CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID, or a stack that is provisioned",
          ),
        ]
      : await tokenChecks(await inventory({ apiUrl, apiToken, accountId }));
  const stackCheck = !(stack instanceof CliError)
    ? []
    : [
        check(
          "config",
          isLoginMissing(stack) ? "pulumi-login" : "stack",
          "fail",
          stack.message,
          hintOf(stack),
        ),
      ];
  const told = [...config, ...stackCheck].some(({ status }) => status === "fail");
  return [
    ...config,
    ...stackCheck,
    ...(told ? [] : [check("config", "environment", "fail", why.message, hintOf(why))]),
    ...token,
  ];
}

/** What is wrong with the plan is told by `planCheck`. */
async function planOrNull({ plan }: DoctorOptions): Promise<RolloutPlan | null> {
  return plan().catch(() => null);
}

async function openChecks(options: DoctorOptions, context: ReleaseContext): Promise<readonly DoctorCheck[]> {
  const { environment, env, inventory } = options;
  const { topology: wanted, account, secrets } = context;
  const known = new Set(Object.keys(secrets));
  const config = configChecks({ environment, topology: wanted, env, known, accountId: account.accountId });
  const found = await inventory(account);
  const token = await tokenChecks(found);
  const plan = await planOrNull(options);
  if (!isOpenTo(token)) return [...config, ...token];
  return [
    ...config,
    ...token,
    ...(await part("resources", "drift", () => driftChecks(context, found))),
    await stateCheck(context),
    ...(await part("release", "facts", () => releaseChecks(context, plan))),
  ];
}

/** Looks at everything, and tells every fault at once. */
export async function examine(options: DoctorOptions): Promise<DoctorReport> {
  const { root, environment, open, plan } = options;
  const checks: DoctorCheck[] = [...(await toolChecks(root, process.version)), await planCheck(plan)];
  const context = await opened(open);
  const closed = context instanceof CliError;
  checks.push(...(closed ? await closedChecks(options, context) : await openChecks(options, context)));
  checks.push(...budgetChecks(closed ? topology(environment) : context.topology));
  // Commands in a finding are for copying.
  const told = checks.map((found) => ({
    ...found,
    mend: found.mend === null ? null : withEnvironment(found.mend, environment),
  }));
  return { environment, checks: told };
}
