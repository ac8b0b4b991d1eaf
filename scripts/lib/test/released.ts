import type { RolloutPlan } from "../../../worker/src/rollout/contract.ts";
import { definePlan } from "../../../worker/src/rollout/plan.ts";
import { CliError } from "../exit.ts";
import type { ReleaseOptions } from "../release/events.ts";
import { release } from "../release/release.ts";
import { FakeCloud, source } from "./fake-cloud.ts";

/** Three short phases: two looks of the fake hub pass one. */
export const PLAN: RolloutPlan = definePlan({
  intervalMs: 1_000,
  phases: [
    { shares: { read: 10 }, soakMs: 8_000 },
    { shares: { read: 100, write: 10, background: 10 }, soakMs: 8_000 },
    { shares: { read: 100, write: 100, background: 100 }, soakMs: 8_000 },
  ],
});

/** The same phases behind copies of reads. */
export const PLAN_WITH_COPIES: RolloutPlan = definePlan({ ...PLAN, mirror: { soakMs: 8_000 } });

/** What the tests release with. */
export const OPTIONS: ReleaseOptions = {
  plan: PLAN,
  smoke: [{ path: "/tables" }, { path: "/openapi.json", compare: "status" }],
};

/** A cloud on which everything is released, with new code of both Workers in the working tree. */
export async function released(): Promise<{ readonly cloud: FakeCloud; readonly v1: FakeCloud["tags"] }> {
  const cloud = new FakeCloud();
  await release(await cloud.context(), "all", OPTIONS);
  const v1 = cloud.tags;
  cloud.calls.length = 0;
  cloud.events.length = 0;
  cloud.sources.archiver = source("archiver 2");
  cloud.sources.hub = source("hub 2");
  cloud.clock.pass(60_000);
  return { cloud, v1 };
}

/** The error that a run ended with. @throws when it did not, or with another kind of error */
export async function failure(work: Promise<unknown>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CliError) return error;
  throw new Error(`expected a CliError, got ${String(error)}`, { cause: error });
}
