/** What is shown of a rollout. */
import type { GateWebhook, RolloutState } from "./contract.ts";

const MASK = "?[secret]";

/** A query often carries what opens the receiver. */
function maskedUrl(url: string): string {
  const at = url.search(/[?#]/);
  return at < 0 ? url : `${url.slice(0, at)}${MASK}`;
}

const masked = (webhooks: readonly GateWebhook[]): readonly GateWebhook[] =>
  webhooks.map((webhook) => ({ ...webhook, url: maskedUrl(webhook.url) }));

/** The state without the queries of its plan's webhooks. */
export function shownState(state: RolloutState): RolloutState {
  const { plan } = state;
  if (plan === null) return state;
  const phases = plan.phases.map((phase) => ({ ...phase, webhooks: masked(phase.webhooks) }));
  return { ...state, plan: { ...plan, phases, pre: masked(plan.pre), post: masked(plan.post) } };
}
