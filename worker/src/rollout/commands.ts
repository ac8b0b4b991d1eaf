/** Commands to the rollout object, and its refusals as problems. */
import { ProblemError, within, type ProblemKind } from "../http/index.ts";
import type { Env } from "../env.generated.ts";
import type { RolloutController } from "./controller.ts";
import type { RolloutState } from "./contract.ts";
import type { Outcome, Refusal } from "./machine.ts";
import { rolloutObject, type RolloutNamespace } from "./object.ts";

/** Longest wait for the object, in milliseconds. */
export const OBJECT_TIMEOUT_MS = 5_000;

const REFUSALS: Readonly<Record<Refusal, { readonly kind: ProblemKind; readonly detail: string }>> = {
  active: {
    kind: "rollout-active",
    detail: "Only one rollout may be active. Promote it or roll it back before another one starts.",
  },
  unknown: { kind: "unknown-rollout", detail: "The rollout that is known is another one; see `state`." },
  "not-active": {
    kind: "rollout-not-active",
    detail: "The rollout has ended and never comes back; start another.",
  },
  backward: { kind: "rollout-phase-backward", detail: "To send less to the canary, roll the rollout back." },
  "phase-too-low": { kind: "rollout-phase-too-low", detail: "A rollout is promoted from phase 3 only." },
};

/** The namespace of the rollout object, which only the stable hub has. */
export function requireNamespace({ ROLLOUT }: Env): RolloutNamespace {
  if (ROLLOUT !== undefined) return ROLLOUT;
  throw new ProblemError("no-rollout-here", {
    detail: "Ask the stable hub; the canary has no say in its rollout.",
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

/** The state after a command that was obeyed. */
export function obeyed(outcome: Outcome): RolloutState {
  if (outcome.kind !== "refused") return outcome.state;
  const { kind, detail } = REFUSALS[outcome.reason];
  throw new ProblemError(kind, { detail, extensions: { state: outcome.state } });
}
