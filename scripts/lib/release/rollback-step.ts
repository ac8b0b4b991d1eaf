import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";

/**
 * Does one step of a rollback, with its events.
 * @throws {CliError} rollbackFailed, with what failed
 */
export async function rollbackStep<T>(
  { onEvent }: Pick<ReleaseContext, "onEvent">,
  id: string,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const named = { type: "step", id, title } as const;
  onEvent({ ...named, status: "started", detail: null });
  try {
    const result = await work();
    onEvent({ ...named, status: "done", detail: null });
    return result;
  } catch (error) {
    onEvent({ ...named, status: "failed", detail: messageOf(error) });
    // A rollback that is refused for safety has not failed: it says itself what stands.
    if (error instanceof CliError && error.exitCode === EXIT.frozen) throw error;
    throw new CliError(EXIT.rollbackFailed, `The rollback failed: ${messageOf(error)}`, {
      hints: [
        ...(error instanceof CliError ? error.hints : []),
        "See what serves now: npm run status. Then run the rollback again.",
      ],
      cause: error,
    });
  }
}
