/**
 * Calls of the hub's archive API. Each of them may be sent again: what was done
 * is not done twice. So a call whose answer is lost is repeated a few times, and
 * one that meets a busy archive waits for its turn.
 */
import { CliError, EXIT } from "../exit.ts";
import type { Clock } from "../clock.ts";
import { parseBody, problemOf, problemText } from "../problem.ts";
import { tokenRefused, unreachable } from "../rollout/client.ts";

export interface HubCall {
  readonly method: "GET" | "POST" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

/** An answer with a status of 200–299. */
export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** @throws {HubRefusal} for any other status */
export type CallHub = (call: HubCall) => Promise<HubAnswer>;

export interface HubCallOptions {
  /** Base URL of the hub. */
  readonly url: string;
  /** Name of the secret that the tokens are values of. */
  readonly secret: string;
  /** The present one first; the others are tried when the hub refuses it. */
  readonly tokens: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
  /** Told of each wait, in a sentence. */
  readonly onWait: (why: string) => void;
}

/** The hub refused, in its words. */
export class HubRefusal extends CliError {
  readonly status: number;
  /** The problem's `type`; `null` where the answer is no problem document. */
  readonly type: string | null;

  constructor(call: string, status: number, body: unknown) {
    const { type, faults = [] } = problemOf(body);
    const text = problemText(body);
    super(EXIT.failed, `The hub answered ${status} to ${call}${text === "" ? "" : `: ${text}`}`, {
      hints: faults.map(({ path, message }) => `${path}: ${message}`),
    });
    this.status = status;
    this.type = type ?? null;
  }
}

export const ARCHIVE_BUSY = "urn:strata:problem:archive-busy";

/** Longer than the hub waits for the archiver. */
const TIMEOUT_MS = 150_000;
/** A run that the cron starts may hold the archive for five minutes. */
export const MAX_BUSY_MS = 6 * 60_000;
/** Calls whose answer was lost, or that the hub could not pass on. */
const MAX_ATTEMPTS = 5;
const WAIT_MS = { min: 1_000, usual: 5_000, max: 30_000 } as const;

/** How long to wait before the next try, in ms, as `Retry-After` (RFC 9110, 10.2.3) says in seconds. */
export function retryAfterMs(header: string | null): number {
  const seconds = header !== null && /^\d{1,6}$/.test(header) ? Number(header) : WAIT_MS.usual / 1_000;
  return Math.min(Math.max(seconds * 1_000, WAIT_MS.min), WAIT_MS.max);
}

/** Whether the hub may answer the same call soon. */
function isPassing({ status, headers }: Response): boolean {
  return status === 502 || status === 504 || (status === 503 && headers.has("retry-after"));
}

/** Opens the hub's API for one secret. */
export function createHubCall(options: HubCallOptions): CallHub {
  const { url, secret, tokens, clock, signal, onWait } = options;

  const send = async ({ method, path, body }: HubCall, token: string): Promise<Response> => {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    return options.fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, limit]),
    });
  };

  const sendWithTokens = async (call: HubCall): Promise<{ response: Response; bytes: Uint8Array }> => {
    for (const [index, token] of tokens.entries()) {
      const response = await send(call, token);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const refused = response.status === 401 || response.status === 403;
      if (!refused || index === tokens.length - 1) return { response, bytes };
    }
    throw new Error("there is always a token");
  };

  return async (call) => {
    const name = `${call.method} ${call.path.split("?", 1)[0] ?? ""}`;
    const deadline = clock.now() + MAX_BUSY_MS;
    for (let attempt = 1; ;) {
      signal.throwIfAborted();
      let answer: Awaited<ReturnType<typeof sendWithTokens>>;
      try {
        answer = await sendWithTokens(call);
      } catch (error) {
        signal.throwIfAborted();
        if (attempt === MAX_ATTEMPTS) throw unreachable(url, error);
        onWait(`${name}: no answer, trying again`);
        await clock.sleep(WAIT_MS.min * attempt, signal);
        attempt += 1;
        continue;
      }
      const { response, bytes } = answer;
      const { status, headers } = response;
      if (response.ok) return { status, headers, bytes };
      if (status === 401 || status === 403) throw tokenRefused(secret, name, status);
      const refusal = new HubRefusal(name, status, parseBody(new TextDecoder().decode(bytes)));
      const wait = retryAfterMs(headers.get("retry-after"));
      if (refusal.type === ARCHIVE_BUSY) {
        if (clock.now() + wait > deadline) throw refusal;
        onWait(`another run works on the archive; waiting ${wait / 1_000} s`);
      } else if (isPassing(response) && attempt < MAX_ATTEMPTS) {
        onWait(`${name}: the hub answered ${status}; waiting ${wait / 1_000} s`);
        attempt += 1;
      } else {
        throw refusal;
      }
      await clock.sleep(wait, signal);
    }
  };
}
