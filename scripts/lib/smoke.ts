/** Whether a Worker answers with the version that was just deployed, and with its bindings. */
import { z } from "zod";
import type { WorkerKey } from "../../infra/topology.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import type { HubHealth, RolloutClient } from "./rollout-client.ts";

/** A new version takes seconds to reach every place on the platform. */
export const SMOKE_TIMEOUT_MS = 30_000;
const POLL_MS = 250;
const REQUEST_TIMEOUT_MS = 10_000;

/** Bindings that did not answer before either; `null` when none of them matters, only the version. */
export type KnownFaults = readonly string[] | null;

/** A check that failed: what was released must be taken back. */
export class SmokeError extends CliError {}

/** What a health answer says against what is expected: `null` when it is well. */
export function healthFault(
  health: HubHealth,
  expected: { readonly lane: string; readonly versionId: string; readonly knownFaults: KnownFaults },
): string | null {
  if (health.lane !== expected.lane) return `lane ${health.lane} answered, not ${expected.lane}`;
  if (health.versionId !== expected.versionId) {
    return `version ${health.versionId} answered, not ${expected.versionId}`;
  }
  const { knownFaults } = expected;
  if (knownFaults === null) return null;
  const faults = health.faults.filter((fault) => !knownFaults.includes(fault));
  return faults.length === 0 ? null : `bindings that do not answer: ${faults.join(", ")}`;
}

/** Repeats a probe until it finds no fault; the last fault is the error's. */
async function until(
  context: ReleaseContext,
  what: string,
  probe: () => Promise<string | null>,
): Promise<void> {
  const { clock, signal } = context;
  const deadline = clock.now() + SMOKE_TIMEOUT_MS;
  for (;;) {
    const fault = await probe().catch((error: unknown) => {
      if (error instanceof CliError && error.exitCode === EXIT.credentials) throw error;
      signal.throwIfAborted();
      return messageOf(error);
    });
    if (fault === null) return;
    if (clock.now() >= deadline) {
      throw new SmokeError(EXIT.rolledBack, `${what} does not answer well: ${fault}`);
    }
    await clock.sleep(POLL_MS, signal);
  }
}

/**
 * Waits until a lane of the hub answers with `versionId`.
 * @param knownFaults bindings that did not answer before this release either
 * @throws {SmokeError} with the last fault, after `SMOKE_TIMEOUT_MS`
 */
export async function checkHub(
  context: ReleaseContext,
  hub: RolloutClient,
  lane: "stable" | "canary",
  versionId: string,
  knownFaults: KnownFaults,
): Promise<void> {
  const what = lane === "canary" ? "The canary" : "The hub";
  await until(context, what, async () =>
    healthFault(await hub.health(lane), { lane, versionId, knownFaults }),
  );
}

const archiverHealthSchema = z.object({ version: z.object({ id: z.string() }) });

async function archiverVersion({ fetch }: ReleaseContext, url: string): Promise<string> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  return archiverHealthSchema.parse(await response.json()).version.id;
}

/**
 * Waits until the archiver answers: at its own address with `versionId`, else
 * through the hub, which then says only that it answers well.
 * @returns how it was checked
 * @throws {SmokeError} with the last fault, after `SMOKE_TIMEOUT_MS`
 */
export async function checkArchiver(
  context: ReleaseContext,
  hub: RolloutClient | null,
  versionId: string,
): Promise<string> {
  const worker: WorkerKey = "archiver";
  const url = await context.url(worker);
  if (url !== null) {
    await until(context, "The archiver", async () => {
      const found = await archiverVersion(context, url);
      return found === versionId ? null : `version ${found} answered, not ${versionId}`;
    });
  }
  if (hub !== null) {
    await until(context, "The archiver", async () => {
      const { faults } = await hub.health("stable");
      return faults.find((fault) => fault.startsWith("ARCHIVER:")) ?? null;
    });
  }
  const ways = [...(url === null ? [] : ["at its address"]), ...(hub === null ? [] : ["through the hub"])];
  return ways.length === 0
    ? "not checked: it has no address, and no hub is released yet"
    : ways.join(" and ");
}
