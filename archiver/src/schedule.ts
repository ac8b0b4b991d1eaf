/** What a cron does, one step after the other; a step that fails does not keep the others from their work. */
import { errorFields, log } from "./log.ts";

export interface Step {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

/**
 * Runs every step.
 * @throws AggregateError of what the steps threw, so that the invocation is recorded as failed
 */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  const errors: unknown[] = [];
  for (const { name, run } of steps) {
    try {
      await run();
    } catch (error) {
      log.error("schedule.step_failed", { step: name, ...errorFields(error) });
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of ${steps.length} steps failed`);
}
