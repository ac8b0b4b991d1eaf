/** Commands to the rollout object, and its refusals as problems. */
import { invalid, ProblemError, within, type HubContext } from "../http/index.ts";
import type { Env } from "../env.generated.ts";
import { ACTOR_HEADER, type RolloutPlan, type RolloutState } from "./contract.ts";
import type { Outcome, Refusal } from "./machine/machine.ts";
import { hasWebhooks, rolloutObject, type RolloutController, type RolloutNamespace } from "./object/index.ts";
import { shownState } from "./shown.ts";

/** Longest wait for the object, in milliseconds. */
export const OBJECT_TIMEOUT_MS = 5_000;

const DEFAULT_ACTOR = "operator";
/** Printable ASCII (RFC 9110 field values may hold more, but not reliably), no space at the ends. */
const ACTOR = /^[\x21-\x7E](?:[\x20-\x7E]{0,62}[\x21-\x7E])?$/;

/** The namespace of the rollout object, which only the stable hub has. */
export function requireNamespace({ ROLLOUT }: Env): RolloutNamespace {
  if (ROLLOUT !== undefined) return ROLLOUT;
  throw new ProblemError("no-rollout-here", {
    detail: "Ask the stable hub; the canary has no say in its rollout.",
  });
}

/**
 * Who gives the command, for the history.
 * @throws ProblemError `invalid`
 */
export function actorOf(c: HubContext): string {
  const actor = c.req.header(ACTOR_HEADER) ?? DEFAULT_ACTOR;
  if (ACTOR.test(actor)) return actor;
  const message = "must be 1–64 printable ASCII characters, without a space at an end";
  throw invalid([{ path: `/headers/${ACTOR_HEADER}`, message }]);
}

/**
 * Webhooks are signed or not sent.
 * @throws ProblemError `webhook-key-missing`
 */
export function requireWebhookKey({ ROLLOUT_WEBHOOK_KEY }: Env, plan: RolloutPlan): void {
  if (ROLLOUT_WEBHOOK_KEY || !hasWebhooks(plan)) return;
  throw new ProblemError("webhook-key-missing", {
    detail:
      "The plan has webhooks, and the hub has no secret ROLLOUT_WEBHOOK_KEY to sign them with. " +
      "Set it with `wrangler secret put ROLLOUT_WEBHOOK_KEY`, or start with a plan without webhooks.",
  });
}

/**
 * The object's answer, bounded in time.
 * @throws ProblemError `rollout-unavailable`
 */
export async function askObject<T>(
  env: Env,
  ask: (object: DurableObjectStub<RolloutController>) => Promise<T>,
): Promise<T> {
  const namespace = requireNamespace(env);
  try {
    return await within(OBJECT_TIMEOUT_MS, ask(rolloutObject(namespace)));
  } catch (cause) {
    throw new ProblemError("rollout-unavailable", {
      detail: "Ask for the state, then send the command again if it was not obeyed.",
      headers: { "retry-after": "1" },
      cause,
    });
  }
}

function refusal(refused: Refusal, state: RolloutState): ProblemError {
  const extensions = { state: shownState(state) };
  switch (refused.kind) {
    case "active": {
      const detail = `Rollout ${refused.id} is ${refused.status}, and only one may be open. Let it end, or roll it back, before another one starts.`;
      return new ProblemError("rollout-active", { detail, extensions });
    }
    case "unknown": {
      const known = refused.id === null ? "no rollout is known" : `the one that is known is ${refused.id}`;
      const detail = `There is no such rollout: ${known}. See \`state\`.`;
      return new ProblemError("unknown-rollout", { detail, extensions });
    }
    case "not-open": {
      const detail =
        refused.status === "rolling-back"
          ? "The rollout is being returned and does not go forward again. Let it end, then start another."
          : `The rollout is ${refused.status}, and an end is final. Start another.`;
      return new ProblemError("rollout-not-active", { detail, extensions });
    }
    case "wrong-phase": {
      const { asked, phase, phases } = refused;
      const detail = `Phase ${asked} was named; the rollout is in phase ${phase} of ${phases}. Ask for the state and name the phase that is meant.`;
      return new ProblemError("rollout-wrong-phase", { detail, extensions });
    }
    case "failing": {
      const detail = `The canary fails: ${refused.reason}. Wait until the gate passes, or roll back.`;
      return new ProblemError("rollout-failing", { detail, extensions });
    }
    case "needs-approval": {
      const detail = `Phase ${refused.phase} is entered only after an approval. Approve it first.`;
      return new ProblemError("rollout-needs-approval", { detail, extensions });
    }
    case "not-promoting": {
      const detail = `The rollout is ${refused.status}; scripts get the release only while it is promoting, after every phase has passed.`;
      return new ProblemError("rollout-not-promoting", { detail, extensions });
    }
    case "invalid-plan":
      return invalid(refused.faults.map(({ path, message }) => ({ path: `/plan${path}`, message })));
    case "not-safe": {
      const detail = `${refused.why}. Do it all the same with \`force\` (\`--force\` on the command line).`;
      return new ProblemError("rollout-not-safe", { detail, extensions });
    }
    case "out-of-order":
      return new ProblemError("rollout-out-of-order", { detail: `${refused.why}.`, extensions });
  }
}

/** The state after a command that was obeyed. */
export function obeyed(outcome: Outcome): RolloutState {
  if (outcome.kind !== "refused") return outcome.state;
  throw refusal(outcome.refusal, outcome.state);
}
