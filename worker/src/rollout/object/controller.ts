/** The one object that decides about rollouts; its state outlives every isolate. */
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../../env.generated.ts";
import type { RolloutState, StartRolloutRequest } from "../contract.ts";
import type { OperatorCommand, Outcome } from "../machine/machine.ts";
import type { RolloutView } from "../view.ts";
import type { Report } from "./report.ts";
import { Rollout } from "./rollout.ts";
import { platformSurroundings, type Surroundings } from "./surroundings.ts";

/** Holds the rollout, judges it on an alarm, and takes a bad canary back whether or not anyone looks on. */
export class RolloutController extends DurableObject<Env> {
  readonly #rollout: Rollout;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const surroundings = platformSurroundings(ctx.storage, env);
    this.#rollout = new Rollout(ctx.storage, surroundings);
    void ctx.blockConcurrencyWhile(() => this.#keepAlarm(surroundings));
  }

  /** The platform gives an alarm up that fails for long; while there is something to do there is one. */
  async #keepAlarm({ now, setAlarm }: Surroundings): Promise<void> {
    if (!this.#rollout.busy || (await this.ctx.storage.getAlarm()) !== null) return;
    await setAlarm(now());
  }

  /** What isolates have to know. */
  view(): RolloutView {
    return this.#rollout.view;
  }

  state(): RolloutState {
    return this.#rollout.state;
  }

  /** Opens a rollout at 0 %. @param by who gives the command */
  start(request: StartRolloutRequest, by: string): Outcome {
    return this.#rollout.start(request, by);
  }

  /** One of the commands in `RolloutCommands`. */
  command(command: OperatorCommand): Outcome {
    return this.#rollout.obey(command);
  }

  /**
   * Counts a batch once; the answer is the rollout after that. One that does not
   * fit is refused whole: it is logged, not counted, and not to be sent again.
   */
  report(report: Report): RolloutView {
    return this.#rollout.report(report);
  }

  override async alarm(): Promise<void> {
    await this.#rollout.alarm();
  }
}
