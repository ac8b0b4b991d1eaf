/** Typed client of the hub's `/admin/rollout` and `/health`. */
import { z } from "zod";
import {
  LANE_HEADER,
  type GateSettings,
  type Lane,
  type ReleaseIdentity,
  type RolloutState,
} from "../../worker/src/rollout/contract.ts";
import { CliError, EXIT, messageOf } from "./exit.ts";
import type { Clock } from "./clock.ts";
import { parseBody, problemOf, problemText } from "./problem.ts";

const shares = z.object({ read: z.number(), write: z.number() });
const phase = z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]);
const status = z.enum(["idle", "active", "promoted", "rolled-back"]);
const laneCounts = z.object({ requests: z.number(), errors: z.number() });
const byClass = z.object({ read: laneCounts, write: laneCounts });

const rolloutStateSchema: z.ZodType<RolloutState> = z.object({
  id: z.string().nullable(),
  status,
  phase,
  shares,
  release: z.object({ tag: z.string(), canaryVersion: z.string(), stableVersion: z.string() }).nullable(),
  gate: z.object({ maxErrorShare: z.number(), minSample: z.number() }),
  counts: z.object({ stable: byClass, canary: byClass }),
  startedAt: z.string().nullable(),
  phaseStartedAt: z.string().nullable(),
  updatedAt: z.string().nullable(),
  firstErrorAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  reason: z.string().nullable(),
  transitions: z.array(z.object({ at: z.string(), status, phase, shares, reason: z.string() })),
});

const healthSchema = z.object({
  status: z.string().optional(),
  lane: z.string(),
  version: z.object({ id: z.string() }),
  bindings: z.record(z.string(), z.unknown()).optional(),
});

export interface HubHealth {
  readonly httpStatus: number;
  readonly lane: string;
  readonly versionId: string;
  /** Bindings that do not answer, as `NAME: reason`. */
  readonly faults: readonly string[];
}

export interface RolloutClient {
  state(): Promise<RolloutState>;
  /** @throws {RolloutConflict} while another rollout is active */
  start(release: ReleaseIdentity, gate: Partial<GateSettings>): Promise<RolloutState>;
  /** @throws {RolloutConflict} when the rollout is not active any more */
  setPhase(id: string, phase: 1 | 2 | 3): Promise<RolloutState>;
  /** @throws {RolloutConflict} when the rollout is not in phase 3 */
  promote(id: string, hubVersion: string): Promise<RolloutState>;
  rollback(id: string, reason: string): Promise<RolloutState>;
  /** Health of the hub's lane; the lane header forces it whatever the rollout says. */
  health(lane: Lane): Promise<HubHealth>;
}

/** The rollout is not in the state that a change needs (409). */
export class RolloutConflict extends CliError {}

const TIMEOUT_MS = 10_000;
const READ_ATTEMPTS = 4;
const RETRY_DELAY_MS = 250;

export interface RolloutClientOptions {
  /** Base URL of the hub. */
  readonly url: string;
  /** Admin tokens, the present one first; the others are tried when the hub refuses it. */
  readonly tokens: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function refusal(call: string, url: string, { status, body }: Answer): CliError {
  const text = problemText(body);
  switch (status) {
    case 401:
    case 403:
      return tokenRefused("ADMIN_TOKEN", call, status);
    case 404:
      if (problemOf(body).type !== undefined) {
        return new RolloutConflict(EXIT.failed, text);
      }
      return new CliError(EXIT.failed, `The hub at ${url} does not know ${call}`, {
        hints: ["Check STRATA_HUB_URL, and that the deployed hub is this blueprint's."],
      });
    case 409:
      return new RolloutConflict(EXIT.failed, text === "" ? `${call} is not possible now` : text);
    default:
      return new CliError(
        EXIT.failed,
        `The hub answered ${status} to ${call}${text === "" ? "" : `: ${text}`}`,
      );
  }
}

/** The error for a hub that gives no answer at all. */
export function unreachable(url: string, error: unknown): CliError {
  return new CliError(EXIT.failed, `The hub cannot be reached at ${url}`, {
    hints: [messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error)],
    cause: error,
  });
}

/** The error for a hub that does not take the token. */
export function tokenRefused(secret: string, call: string, status: number): CliError {
  return new CliError(EXIT.credentials, `The hub refused ${secret} (${call} answered ${status})`, {
    hints: [
      `${secret} must be the secret that the running hub has.`,
      `While it is being rotated, set ${secret}_PREVIOUS to the old one.`,
    ],
  });
}

/** Opens the hub's admin API. */
export function createRolloutClient(options: RolloutClientOptions): RolloutClient {
  const { url, tokens, clock, signal } = options;

  const once = async (
    method: string,
    path: string,
    token: string,
    init: { headers?: Record<string, string>; body?: unknown },
  ): Promise<Answer> => {
    const response = await options.fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
        ...init.headers,
      },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, body: parseBody(await response.text()) };
  };

  const withTokens = async (
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: unknown },
  ): Promise<Answer> => {
    let answer = await once(method, path, tokens[0], init);
    for (const token of tokens.slice(1)) {
      if (answer.status !== 401 && answer.status !== 403) break;
      answer = await once(method, path, token, init);
    }
    return answer;
  };

  /** Reads are repeated while the connection or the hub fails; changes are sent once. */
  const read = async (path: string, headers: Record<string, string>): Promise<Answer> => {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === READ_ATTEMPTS;
      try {
        const answer = await withTokens("GET", path, { headers });
        if (answer.status < 500 || last) return answer;
      } catch (error) {
        if (last) throw unreachable(url, error);
      }
      await clock.sleep(RETRY_DELAY_MS * attempt, signal);
    }
  };

  const parse = (call: string, answer: Answer): RolloutState => {
    if (answer.status < 200 || answer.status > 299) throw refusal(call, url, answer);
    const parsed = rolloutStateSchema.safeParse(answer.body);
    if (parsed.success) return parsed.data;
    throw new CliError(EXIT.failed, `The hub answered ${call} in an unknown shape`, {
      hints: parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    });
  };

  const change = async (path: string, body: unknown): Promise<RolloutState> => {
    let answer: Answer;
    try {
      answer = await withTokens("POST", path, { body });
    } catch (error) {
      throw unreachable(url, error);
    }
    return parse(`POST ${path}`, answer);
  };

  return {
    state: async () => parse("GET /admin/rollout", await read("/admin/rollout", {})),
    start: (release, gate) => change("/admin/rollout/start", { release, gate }),
    setPhase: (id, phase) => change(`/admin/rollout/${id}/phase`, { phase }),
    promote: (id, hubVersion) => change(`/admin/rollout/${id}/promote`, { hubVersion }),
    rollback: (id, reason) => change(`/admin/rollout/${id}/rollback`, { reason }),
    health: async (lane) => {
      const answer = await read("/health", { [LANE_HEADER]: lane });
      const parsed = healthSchema.safeParse(answer.body);
      if (!parsed.success) throw refusal("GET /health", url, answer);
      const faults = Object.entries(parsed.data.bindings ?? {})
        .filter(([, state]) => state !== "ok")
        .map(([name, state]) => `${name}: ${typeof state === "string" ? state : JSON.stringify(state)}`);
      return { httpStatus: answer.status, lane: parsed.data.lane, versionId: parsed.data.version.id, faults };
    },
  };
}
