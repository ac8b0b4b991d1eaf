/**
 * What is asked of a Worker before and after it gets traffic: that it answers
 * with the version it was given and with its bindings, and that a canary answers
 * what the stable lane answers.
 */
import { z } from "zod";
import type { WorkerKey } from "../../../infra/topology.ts";
import type { Lane } from "../../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import type { HubHealth, LaneAnswer, LaneRequest, RolloutClient } from "../rollout/client.ts";
import { shapeFaults } from "./shape.ts";

/** A new version takes seconds to reach every place on the platform. */
export const SMOKE_TIMEOUT_MS = 30_000;
const POLL_MS = 250;
const REQUEST_TIMEOUT_MS = 10_000;

/** One request of the smoke check; a read unless told. */
export interface SmokeRequest {
  /** With its query, for example `/tables`. */
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `shape`: also the media type, and every field of the stable answer (default). `status`: the status alone. */
  readonly compare?: "shape" | "status";
}

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

const NAMES: Readonly<Record<WorkerKey, string>> = {
  "archiver-canary": "The archiver's canary",
  archiver: "The archiver",
  "hub-canary": "The canary",
  hub: "The hub",
};

const laneOf = (worker: WorkerKey): Lane =>
  worker === "hub-canary" || worker === "archiver-canary" ? "canary" : "stable";

const versionSchema = z.object({ version: z.object({ id: z.string() }) });

async function ownVersion({ fetch }: ReleaseContext, url: string): Promise<string> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  return versionSchema.parse(await response.json()).version.id;
}

async function checkHub(
  context: ReleaseContext,
  hub: RolloutClient,
  worker: WorkerKey,
  versionId: string,
  knownFaults: KnownFaults,
): Promise<string> {
  const lane = laneOf(worker);
  await until(context, NAMES[worker], async () =>
    healthFault(await hub.health(lane), { lane, versionId, knownFaults }),
  );
  return versionId;
}

/** At its own address with the version, else through the hub's lane, which says only that it answers well. */
async function checkArchiver(
  context: ReleaseContext,
  hub: RolloutClient | null,
  worker: WorkerKey,
  versionId: string,
): Promise<string> {
  const url = await context.url(worker);
  if (url !== null) {
    await until(context, NAMES[worker], async () => {
      const found = await ownVersion(context, url);
      return found === versionId ? null : `version ${found} answered, not ${versionId}`;
    });
  }
  if (hub !== null) {
    await until(context, NAMES[worker], async () => {
      const { faults } = await hub.health(laneOf(worker));
      return faults.find((fault) => fault.startsWith("ARCHIVER:")) ?? null;
    });
  }
  const ways = [...(url === null ? [] : ["at its address"]), ...(hub === null ? [] : ["through the hub"])];
  return ways.length === 0
    ? "not checked: it has no address, and no hub is released yet"
    : ways.join(" and ");
}

/**
 * Waits until a script answers well with `versionId`.
 * @param knownFaults bindings that did not answer before this release either
 * @returns how it was checked
 * @throws {SmokeError} with the last fault, after `SMOKE_TIMEOUT_MS`
 */
export async function checkWorker(
  context: ReleaseContext,
  hub: RolloutClient | null,
  worker: WorkerKey,
  versionId: string,
  knownFaults: KnownFaults,
): Promise<string> {
  if (worker === "archiver" || worker === "archiver-canary") {
    return checkArchiver(context, hub, worker, versionId);
  }
  if (hub === null) return "not checked: the hub that leads to it is not released yet";
  return checkHub(context, hub, worker, versionId, knownFaults);
}

/** Answers of a lane to the smoke requests, in their order. */
export type LaneAnswers = readonly LaneAnswer[];

function laneRequest({ secrets }: ReleaseContext, request: SmokeRequest): LaneRequest {
  const { path, method = "GET", headers = {}, body } = request;
  const key = secrets["BOOTSTRAP_API_KEY"];
  return {
    method,
    path,
    headers: { ...(key === undefined ? {} : { "x-api-key": key }), ...headers },
    ...(body === undefined ? {} : { body }),
  };
}

/** Asks a lane every smoke request, through the lane header: no user traffic is met. */
export async function askLane(
  context: ReleaseContext,
  hub: RolloutClient,
  lane: Lane,
  requests: readonly SmokeRequest[],
): Promise<LaneAnswers> {
  const answers: LaneAnswer[] = [];
  for (const request of requests) {
    context.signal.throwIfAborted();
    answers.push(await hub.ask(lane, laneRequest(context, request)));
  }
  return answers;
}

const describeRequest = ({ method = "GET", path }: SmokeRequest): string => `${method} ${path}`;

/** What differs to the worse between an answer that is known to be good and another one. */
export function answerFaults(request: SmokeRequest, good: LaneAnswer, found: LaneAnswer): readonly string[] {
  const what = describeRequest(request);
  // What fails already says nothing about the release.
  if (good.status >= 500) return [];
  if (found.status !== good.status) return [`${what} answered ${found.status}, not ${good.status}`];
  if (request.compare === "status") return [];
  if (found.mediaType !== good.mediaType) {
    return [`${what} answered ${found.mediaType || "no media type"}, not ${good.mediaType || "none"}`];
  }
  return shapeFaults(good.body, found.body).map((fault) => `${what}: ${fault}`);
}

/**
 * Compares a lane's answers with good ones, request by request.
 * @throws {SmokeError} listing every difference to the worse
 */
export function compareAnswers(
  what: string,
  requests: readonly SmokeRequest[],
  good: LaneAnswers,
  found: LaneAnswers,
): void {
  const faults = requests.flatMap((request, index) => {
    const [before, now] = [good[index], found[index]];
    return before === undefined || now === undefined ? [] : answerFaults(request, before, now);
  });
  if (faults.length === 0) return;
  throw new SmokeError(EXIT.rolledBack, `${what}: ${faults[0]}`, {
    hints: faults.slice(1),
    data: { faults },
  });
}
