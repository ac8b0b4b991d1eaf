/** What must hold before a rollout is opened: refused before anything is migrated, uploaded or moved. */
import type { RolloutPlan, RolloutWorker } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import type { ScriptStates } from "./facts.ts";
import type { Step } from "./plan.ts";
import { refuseImpossibleReturn } from "./return.ts";

const WEBHOOK_KEY = "ROLLOUT_WEBHOOK_KEY";

async function refuseUnsignedWebhooks(context: ReleaseContext, plan: RolloutPlan): Promise<void> {
  const webhooks = [...plan.pre, ...plan.phases.flatMap((phase) => phase.webhooks), ...plan.post];
  if (webhooks.length === 0) return;
  const { name } = context.topology.workers.hub;
  if ((await context.api.secretNames(name)).includes(WEBHOOK_KEY)) return;
  throw new CliError(
    EXIT.credentials,
    `The plan asks webhooks, and ${name} has no ${WEBHOOK_KEY} to sign with`,
    {
      hints: [
        `Give the hub the key first: export ${WEBHOOK_KEY}, then npm run release:hub -- --rotate-secrets with a plan without webhooks,`,
        `or: npx wrangler secret put ${WEBHOOK_KEY} --name ${name}`,
      ],
    },
  );
}

/**
 * A rollout that could not be taken back must not begin.
 * @throws {CliError} failed or credentials, with every reason of the first fault
 */
export async function refuseHopelessRollout(
  context: ReleaseContext,
  steps: readonly Step[],
  plan: RolloutPlan,
  changed: readonly RolloutWorker[],
  scripts: ScriptStates,
): Promise<void> {
  if (!steps.some(({ kind }) => kind === "open")) return;
  await refuseUnsignedWebhooks(context, plan);
  for (const worker of changed) {
    const { current } = scripts[worker];
    if (current !== null) await refuseImpossibleReturn(context, worker, current);
  }
}
