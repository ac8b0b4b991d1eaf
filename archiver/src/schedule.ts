/** What a cron does, one step after the other; a step that fails does not keep the others from their work. */
import { errorFields, log } from "./log.ts";

export interface Step {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

export interface FailedStep {
  readonly step: string;
  readonly error: unknown;
}

/** Runs every step. @returns those that failed */
export async function runSteps(steps: readonly Step[]): Promise<readonly FailedStep[]> {
  const failed: FailedStep[] = [];
  for (const { name, run } of steps) {
    try {
      await run();
    } catch (error) {
      log.error("schedule.step_failed", { step: name, ...errorFields(error) });
      failed.push({ step: name, error });
    }
  }
  return failed;
}

/** @throws AggregateError of what the steps threw, so that the invocation is recorded as failed */
export function expectSuccess(failed: readonly FailedStep[]): void {
  if (failed.length === 0) return;
  throw new AggregateError(
    failed.map(({ error }) => error),
    `steps failed: ${failed.map(({ step }) => step).join(", ")}`,
  );
}
