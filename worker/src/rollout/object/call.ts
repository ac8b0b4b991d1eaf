/** One HTTP call to someone else's server: bounded in time and in what is read of the answer. */
import { within } from "../../http/index.ts";
import type { Surroundings } from "./surroundings.ts";

/** Read of an answer at most, in bytes. */
export const MAX_ANSWER_BYTES = 1024;

export type CallAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** The beginning of the body. */
      readonly text: string;
      /** How long it asks to be left alone, in milliseconds; `null`: it does not say. */
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: "silent"; readonly why: string };

export interface Call {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

async function beginningOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < MAX_ANSWER_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value.subarray(0, MAX_ANSWER_BYTES - bytes));
    bytes += value.byteLength;
  }
  await reader.cancel();
  return new TextDecoder().decode(await new Blob(chunks).arrayBuffer());
}

/** Posts JSON; redirects are not followed. It never throws. */
export async function callOut(
  { fetch, now }: Pick<Surroundings, "fetch" | "now">,
  { url, body, headers, timeoutMs }: Call,
): Promise<CallAnswer> {
  const exchange = async (): Promise<CallAnswer> => {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", "user-agent": "strata-rollout", ...headers },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const wait = retryAfterMs(response.headers.get("retry-after"), now());
    return {
      kind: "answered",
      status: response.status,
      text: await beginningOf(response),
      retryAfterMs: wait,
    };
  };
  try {
    return await within(timeoutMs, exchange());
  } catch (cause) {
    return { kind: "silent", why: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** Whether the same call may go better later. */
export function mayRetry(answer: CallAnswer): boolean {
  return answer.kind === "silent" || answer.status === 429 || answer.status >= 500;
}
