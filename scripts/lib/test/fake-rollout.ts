/** The hub's rollout as the scripts meet it: the real state machine, with a judge that says what a test wants. */
import type { Judgement, LaneFigures, RolloutState, Verdict } from "../../../worker/src/rollout/contract.ts";
import {
  apply,
  dueWebhooks,
  IDLE_STATE,
  isOpen,
  stageOf,
  type Command,
  type Outcome,
  type Refusal,
} from "../../../worker/src/rollout/machine/machine.ts";
import type { FakeClock } from "./fake-clock.ts";

/** How much time passes for the hub between two looks, in milliseconds. */
const LOOK_MS = 5_000;

const SEEN: LaneFigures = { requests: 60, errors: 0, fallbacks: 0, p50: 4, p95: 9, p99: 12 };
const FIGURES = { read: SEEN, write: SEEN, background: SEEN };

/** What the judge says of the phase that the rollout is in; `null`: it does not judge. */
export type Judge = (state: RolloutState) => Verdict | null;

const REASONS: Readonly<Record<Verdict, string>> = {
  pass: "as good as the stable lane",
  fail: "20 of 60 canary requests failed",
  inconclusive: "too few reads",
  error: "no lane has reported",
};

export class FakeRollout {
  state: RolloutState = IDLE_STATE;
  judge: Judge = () => "pass";
  /** Whether the archiver answers. */
  archiverAnswers = true;
  /** Hears every outcome that changed the state. */
  onChange: (state: RolloutState, before: RolloutState) => void = () => {};
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }

  tell(command: Command): Outcome {
    const before = this.state;
    const outcome = apply(before, command, this.#at);
    this.state = outcome.state;
    if (outcome.kind === "changed") this.onChange(this.state, before);
    return outcome;
  }

  /** One alarm of the rollout object: the archiver, the judge, the webhooks, the time. */
  look(): void {
    if (!isOpen(this.state)) return;
    this.#clock.pass(LOOK_MS);
    const { id, revision, phase } = this.state;
    if (this.archiverAnswers) this.tell({ kind: "background-confirmed", id, revision });
    const verdict = stageOf(this.state) === undefined ? null : this.judge(this.state);
    if (verdict !== null) {
      this.tell({ kind: "judged", id, phase, by: "judge", judgement: this.#judgement(verdict) });
    }
    for (const { name } of dueWebhooks(this.state, this.#at)) {
      const { phase: asked } = this.state;
      this.tell({ kind: "webhook", id, phase: asked, name, outcome: "agreed", detail: "200", by: name });
    }
    this.tell({ kind: "tick", id });
    if (this.archiverAnswers) {
      this.tell({ kind: "background-confirmed", id, revision: this.state.revision });
    }
  }

  #judgement(verdict: Verdict): Judgement {
    return {
      at: this.#at,
      verdict,
      reason: REASONS[verdict],
      missing: verdict === "inconclusive" ? ["40 more reads on the canary"] : [],
      checks: [],
      figures: { stable: FIGURES, canary: FIGURES },
    };
  }
}

/** A refusal as the hub answers it. */
export function refusalAnswer(refusal: Refusal, state: RolloutState): Response {
  const status = refusal.kind === "unknown" ? 404 : refusal.kind === "invalid-plan" ? 422 : 409;
  const body = {
    type: `urn:strata:problem:${refusal.kind}`,
    title: `It is refused: ${refusal.kind}`,
    status,
    detail: JSON.stringify(refusal),
    state,
  };
  return Response.json(body, { status });
}
