/** What can be said to the rollout's state machine, and what it answers. */
import type {
  Judgement,
  RolloutCommandName,
  RolloutCommands,
  RolloutState,
  RolloutStatus,
  StartRolloutRequest,
} from "../contract.ts";
import type { PlanFault } from "../plan.ts";

interface Addressed {
  /** The rollout that is meant. */
  readonly id: string;
}

interface Given extends Addressed {
  /** Who gives it, for the history. */
  readonly by: string;
}

export type StartCommand = { readonly kind: "start" } & Given & StartRolloutRequest;

/** Commands of operators and of the release program, one for each of `RolloutCommands`. */
export type OperatorCommand = {
  [Name in RolloutCommandName]: { readonly kind: Name } & Given & RolloutCommands[Name];
}[RolloutCommandName];

/** What the rollout object itself learns and says. Late or foreign ones are dropped, never refused. */
export type Finding =
  | ({ readonly kind: "judged"; readonly phase: number; readonly judgement: Judgement } & Given)
  /** Errors beyond doubt. */
  | ({ readonly kind: "alarm"; readonly phase: number; readonly reason: string } & Given)
  /** The canary's first error was counted. */
  | ({ readonly kind: "error-seen"; readonly phase: number } & Addressed)
  /** Time has passed. */
  | ({ readonly kind: "tick" } & Addressed)
  | ({
      readonly kind: "webhook";
      readonly phase: number;
      readonly name: string;
      readonly outcome: "agreed" | "refused" | "unreachable";
      /** Its answer, or why there was none. */
      readonly detail: string;
    } & Given)
  /** The archiver does as the state of that revision says. */
  | ({ readonly kind: "background-confirmed"; readonly revision: number } & Addressed);

export type Command = StartCommand | OperatorCommand | Finding;

export type CommandOf<K extends Command["kind"]> = Extract<Command, { readonly kind: K }>;

export type Refusal =
  /** `start` while a rollout is open. */
  | { readonly kind: "active"; readonly id: string; readonly status: RolloutStatus }
  /** Another rollout is known, or none (`null`). */
  | { readonly kind: "unknown"; readonly id: string | null }
  /** It has ended, or is being returned. */
  | { readonly kind: "not-open"; readonly status: RolloutStatus }
  /** The command names a phase that the rollout has not reached, or that it does not have. */
  | { readonly kind: "wrong-phase"; readonly asked: number; readonly phase: number; readonly phases: number }
  /** The newest verdict is `fail`. */
  | { readonly kind: "failing"; readonly reason: string }
  /** The phase is entered only after `approve`. */
  | { readonly kind: "needs-approval"; readonly phase: number }
  | { readonly kind: "not-promoting"; readonly status: RolloutStatus }
  | { readonly kind: "invalid-plan"; readonly faults: readonly PlanFault[] }
  /** It is frozen: only `rollback`, and `resume` with `force`, move it. */
  | { readonly kind: "not-safe"; readonly why: string }
  /** Something else has to come first. */
  | { readonly kind: "out-of-order"; readonly why: string };

export type Outcome =
  | { readonly kind: "changed"; readonly state: RolloutState }
  /** Obeyed already, behind, or of no consequence: the state is the very one that was given. */
  | { readonly kind: "unchanged"; readonly state: RolloutState }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly state: RolloutState };

export const changed = (state: RolloutState): Outcome => ({ kind: "changed", state });
export const unchanged = (state: RolloutState): Outcome => ({ kind: "unchanged", state });
export const refused = (state: RolloutState, refusal: Refusal): Outcome => ({
  kind: "refused",
  refusal,
  state,
});
