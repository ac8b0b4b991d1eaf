/** Typed client of the hub's `/admin/rollout` and `/health`. */
import { z } from "zod";
import {
  ACTOR_HEADER,
  LANE_HEADER,
  VERSION_HEADER,
  type Lane,
  type RolloutCommandName,
  type RolloutCommands,
  type RolloutState,
  type StartRolloutRequest,
} from "../../../worker/src/rollout/contract.ts";
import type { Clock } from "../clock.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { parseBody, problemOf, problemText } from "../problem.ts";
import { rolloutStateSchema } from "./state-schema.ts";

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

/** An answer of the hub's own routes, as a smoke check compares it. */
export interface LaneAnswer {
  readonly status: number;
  /** Lower case, without parameters; empty when the answer names none. */
  readonly mediaType: string;
  /** Which lane and which version made it. */
  readonly lane: string;
  readonly versionId: string;
  /** Parsed JSON, or the text. */
  readonly body: unknown;
}

/** What is asked of a lane. */
export interface LaneRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface RolloutClient {
  state(): Promise<RolloutState>;
  /** @throws {RolloutConflict} while another rollout is open */
  start(request: StartRolloutRequest): Promise<RolloutState>;
  /**
   * Gives a command; each may be repeated, so a lost answer is asked for again.
   * @throws {RolloutConflict} when the rollout is not in a state for it
   */
  command<K extends RolloutCommandName>(
    id: string,
    command: K,
    body: RolloutCommands[K],
  ): Promise<RolloutState>;
  /** Health of the hub's lane; the lane header forces it whatever the rollout says. */
  health(lane: Lane): Promise<HubHealth>;
  /** Asks a route of one lane; a request that changes something is sent once. */
  ask(lane: Lane, request: LaneRequest): Promise<LaneAnswer>;
}

/** The rollout is not in the state that a change needs (409). */
export class RolloutConflict extends CliError {}

const TIMEOUT_MS = 10_000;
const ATTEMPTS = 4;
const RETRY_DELAY_MS = 250;

export interface RolloutClientOptions {
  /** Base URL of the hub. */
  readonly url: string;
  /** Admin tokens, the present one first; the others are tried when the hub refuses it. */
  readonly tokens: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
  /** Who gives the commands, for the rollout's history. */
  readonly actor: string;
}

interface CallInit {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
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
/** Without the copies that a plan does not ask for: a hub from before there were any takes it, too. */
function written({ plan: { mirror, ...plan }, ...request }: StartRolloutRequest): object {
  return { ...request, plan: mirror === null ? plan : { mirror, ...plan } };
}

export function createRolloutClient(options: RolloutClientOptions): RolloutClient {
  const { url, tokens, clock, signal } = options;

  const once = async (method: string, path: string, token: string, init: CallInit): Promise<Answer> => {
    const response = await options.fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        [ACTOR_HEADER]: options.actor,
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
        ...init.headers,
      },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, body: parseBody(await response.text()) };
  };

  const withTokens = async (method: string, path: string, init: CallInit): Promise<Answer> => {
    let answer = await once(method, path, tokens[0], init);
    for (const token of tokens.slice(1)) {
      if (answer.status !== 401 && answer.status !== 403) break;
      answer = await once(method, path, token, init);
    }
    return answer;
  };

  /** Repeated while the connection or the hub fails; for calls that may be. */
  const repeated = async (method: string, path: string, init: CallInit): Promise<Answer> => {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === ATTEMPTS;
      try {
        const answer = await withTokens(method, path, init);
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

  const state = async (): Promise<RolloutState> =>
    parse("GET /admin/rollout", await repeated("GET", "/admin/rollout", {}));

  return {
    state,
    start: async (request) => {
      const isMine = ({ status, release }: RolloutState): boolean =>
        status === "preparing" &&
        release?.tag === request.release.tag &&
        release.workers.hub.canaryVersion === request.release.workers.hub.canaryVersion &&
        release.workers.archiver.canaryVersion === request.release.workers.archiver.canaryVersion;
      const path = "/admin/rollout/start";
      let answer: Answer | null = null;
      let lost: unknown = null;
      try {
        answer = await withTokens("POST", path, { body: written(request) });
      } catch (error) {
        lost = error;
      }
      if (answer !== null && answer.status < 500) return parse(`POST ${path}`, answer);
      // Whether it began is not known: only the hub can say.
      const now = await state();
      if (isMine(now)) return now;
      if (answer !== null) return parse(`POST ${path}`, answer);
      throw unreachable(url, lost);
    },
    command: async (id, command, body) => {
      const path = `/admin/rollout/${encodeURIComponent(id)}/${command}`;
      return parse(`POST ${path}`, await repeated("POST", path, { body }));
    },
    ask: async (lane, { method, path, headers, body }) => {
      const send = async (token: string): Promise<Response> =>
        options.fetch(`${url}${path}`, {
          method,
          headers: { ...headers, authorization: `Bearer ${token}`, [LANE_HEADER]: lane },
          ...(body === undefined ? {} : { body }),
          redirect: "manual",
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
      let response = await send(tokens[0]);
      for (const token of tokens.slice(1)) {
        if (response.status !== 401 && response.status !== 403) break;
        response = await send(token);
      }
      const [mediaType = ""] = (response.headers.get("content-type") ?? "").toLowerCase().split(";");
      return {
        status: response.status,
        mediaType: mediaType.trim(),
        lane: response.headers.get(LANE_HEADER) ?? "",
        versionId: response.headers.get(VERSION_HEADER) ?? "",
        body: parseBody(await response.text()),
      };
    },
    health: async (lane) => {
      const answer = await repeated("GET", "/health", { headers: { [LANE_HEADER]: lane } });
      const parsed = healthSchema.safeParse(answer.body);
      if (!parsed.success) throw refusal("GET /health", url, answer);
      const faults = Object.entries(parsed.data.bindings ?? {})
        .filter(([, state]) => state !== "ok")
        .map(([name, state]) => `${name}: ${typeof state === "string" ? state : JSON.stringify(state)}`);
      return { httpStatus: answer.status, lane: parsed.data.lane, versionId: parsed.data.version.id, faults };
    },
  };
}
