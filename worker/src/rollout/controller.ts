/** The one object that decides about rollouts; its state outlives every isolate. */
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env.generated.ts";
import { errorFields, log } from "../http/index.ts";
import type { RolloutState, StartRolloutRequest } from "./contract.ts";
import { DEFAULT_GATE } from "./gate.ts";
import { recordTransition } from "./history.ts";
import { apply, type Command, type Outcome } from "./machine.ts";
import type { Report } from "./reporter.ts";
import { RolloutStore } from "./store.ts";
import { viewOf, type RolloutView } from "./view.ts";

/** Holds the rollout, applies the gate to every report, and takes a bad canary back at once. */
export class RolloutController extends DurableObject<Env> {
  readonly #store: RolloutStore;
  #state: RolloutState;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new RolloutStore(ctx.storage.sql);
    this.#state = this.#store.load();
  }

  view(): RolloutView {
    return viewOf(this.#state);
  }

  state(): RolloutState {
    return this.#state;
  }

  start({ release, gate }: StartRolloutRequest): Outcome {
    const settings = { ...DEFAULT_GATE, ...gate };
    return this.#obey({ kind: "start", id: crypto.randomUUID(), release, gate: settings });
  }

  setPhase(id: string, phase: 1 | 2 | 3): Outcome {
    return this.#obey({ kind: "phase", id, phase });
  }

  promote(id: string, hubVersion: string): Outcome {
    return this.#obey({ kind: "promote", id, hubVersion });
  }

  rollback(id: string, reason: string): Outcome {
    return this.#obey({ kind: "rollback", id, reason });
  }

  /** Counts a batch once and judges; the answer is the rollout after that. */
  report({ reporter, sequence, rolloutId, phase, counts }: Report): RolloutView {
    if (this.#store.admit(reporter, sequence)) {
      this.#obey({ kind: "report", id: rolloutId, phase, counts });
    }
    return viewOf(this.#state);
  }

  #obey(command: Command): Outcome {
    const before = this.#state;
    const outcome = apply(before, command, new Date().toISOString());
    if (outcome.kind !== "changed") return outcome;
    this.#store.save(outcome.state);
    this.#state = outcome.state;
    if (outcome.state.transitions.at(-1) !== before.transitions.at(-1)) this.#transitioned(outcome.state);
    return outcome;
  }

  #transitioned(state: RolloutState): void {
    this.#store.forgetReporters();
    const { id, status, phase, reason } = state;
    log(this.env, status === "rolled-back" ? "warn" : "info", "rollout", {
      rollout: id,
      status,
      phase,
      reason,
    });
    this.ctx.waitUntil(
      recordTransition(this.env.DB, state).catch((error: unknown) => {
        log(this.env, "warn", "rollout-history", { rollout: id, ...errorFields(error) });
      }),
    );
  }
}
