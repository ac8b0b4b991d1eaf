/** Whether each binding of the hub can be reached, within a bounded time. */
import type { ArchiverHealth } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";
import { DeadlineError, errorFields, log, within } from "../http/index.ts";
import { readView } from "../rollout/index.ts";

/** Longest wait for one binding, in milliseconds. */
export const CHECK_TIMEOUT_MS = 2_000;

/** Never written: only the way to the storage is tested. */
const PROBE_KEY = "health-probe";

export type BindingHealth = Readonly<Record<string, string>>;

type Check = () => Promise<unknown>;

/** Thrown by a check that was answered, but not well. */
class DegradedError extends Error {}

function assertArchiver({ bindings }: ArchiverHealth): void {
  const bad = Object.keys(bindings).filter((name) => bindings[name] !== "ok");
  if (bad.length > 0) throw new DegradedError(`degraded: ${bad.join(", ")}`);
}

function checks(env: Env): Readonly<Record<string, Check>> {
  const { ROLLOUT } = env;
  return {
    CACHE: () => env.CACHE.get(PROBE_KEY),
    SNAPSHOTS: () => env.SNAPSHOTS.get(PROBE_KEY),
    DB: () => env.DB.prepare("SELECT 1").first(),
    MEDIA: () => env.MEDIA.head(PROBE_KEY),
    ARCHIVER: async () => assertArchiver(await env.ARCHIVER.health()),
    ...(ROLLOUT === undefined ? {} : { ROLLOUT: () => readView(ROLLOUT) }),
  };
}

/** The verdict that a client may see; the error itself goes to the log only. */
function verdict(error: unknown): string {
  return error instanceof DeadlineError || error instanceof DegradedError ? error.message : "unreachable";
}

/** `ok`, or what is wrong, for each binding; all are asked at the same time. */
export async function checkBindings(env: Env, timeoutMs: number = CHECK_TIMEOUT_MS): Promise<BindingHealth> {
  const outcomes = Object.entries(checks(env)).map(async ([name, check]): Promise<[string, string]> => {
    try {
      await within(timeoutMs, (async () => await check())());
      return [name, "ok"];
    } catch (error) {
      log(env, "warn", "binding-check", { binding: name, ...errorFields(error) });
      return [name, verdict(error)];
    }
  });
  return Object.fromEntries(await Promise.all(outcomes));
}
