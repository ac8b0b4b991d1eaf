/** Webhooks of a plan: others are asked whether the rollout may go on, and their answer is fed back. */
import { SIGNATURE_HEADER, type GateWebhook, type RolloutPlan, type RolloutState } from "../contract.ts";
import { callOut, mayRetry, type CallAnswer } from "./call.ts";
import { redact } from "./redact.ts";
import { sign } from "./signature.ts";
import type { Surroundings } from "./surroundings.ts";

/** The same for every try of a question, so that a receiver recognises a repeat. */
export const IDEMPOTENCY_HEADER = "idempotency-key";

/** Longest wait between two tries, in milliseconds; a longer `retry-after` is cut to it. */
export const MAX_WAIT_MS = 60_000;
const FIRST_WAIT_MS = 1_000;

export type WebhookEvent = "pre" | "phase" | "post";

export interface WebhookAnswer {
  readonly outcome: "agreed" | "refused" | "unreachable";
  readonly detail: string;
}

/** Whether a plan asks or tells anyone. */
export function hasWebhooks({ pre, post, phases }: RolloutPlan): boolean {
  return pre.length + post.length + phases.reduce((count, { webhooks }) => count + webhooks.length, 0) > 0;
}

/** What a webhook is sent. */
export function webhookBody(state: RolloutState, event: WebhookEvent, at: number): string {
  const { id, release, phase, shares, judgement } = state;
  return JSON.stringify({
    event,
    rollout: id,
    release: release?.tag ?? null,
    phase,
    shares,
    figures: judgement?.figures ?? null,
    at: new Date(at).toISOString(),
  });
}

/** How long to wait after a failed try, in milliseconds: what the server asks for, else twice as long each time. */
export function waitMs(tries: number, answer: CallAnswer, longest: number = MAX_WAIT_MS): number {
  const asked = answer.kind === "answered" ? answer.retryAfterMs : null;
  return Math.min(longest, asked ?? FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 20));
}

function inWords(answer: CallAnswer): string {
  if (answer.kind === "silent") return `no answer: ${answer.why}`;
  return `${answer.status} ${answer.text}`.trim();
}

function answerOf(answer: CallAnswer): WebhookAnswer["outcome"] {
  if (mayRetry(answer) || answer.kind === "silent") return "unreachable";
  return answer.status >= 200 && answer.status < 300 ? "agreed" : "refused";
}

/**
 * Asks one webhook, with its retries. Anything but a 2xx is no agreement: 429, 5xx
 * and silence are tried again, every other status is a refusal.
 * @param key names the question
 * @param goesOn whether the question still stands; asked before each further try
 */
export async function ask(
  surroundings: Surroundings,
  webhook: Pick<GateWebhook, "url" | "timeoutMs" | "retries">,
  body: string,
  key: string,
  goesOn: () => boolean,
): Promise<WebhookAnswer> {
  const { settings } = surroundings;
  const secret = settings.ROLLOUT_WEBHOOK_KEY;
  if (!secret) {
    const detail = "the secret ROLLOUT_WEBHOOK_KEY is missing, so the question cannot be signed";
    return { outcome: "unreachable", detail };
  }
  for (let tries = 1; ; tries += 1) {
    const answer = await callOut(surroundings, {
      ...webhook,
      body,
      headers: {
        [SIGNATURE_HEADER]: await sign(body, secret, surroundings.now()),
        [IDEMPOTENCY_HEADER]: key,
      },
    });
    if (!mayRetry(answer) || tries > webhook.retries || !goesOn()) {
      return { outcome: answerOf(answer), detail: redact(inWords(answer), settings) };
    }
    await surroundings.sleep(waitMs(tries, answer));
  }
}
