/**
 * Delivers what waits: transitions to D1, notices to their channels, and what is
 * told after a promotion. Each channel keeps its order and has its own
 * failures; a message is written with the transition that it tells of, and
 * crossed out when it has arrived, so it may arrive twice but is not lost.
 */
import { z } from "zod";
import { errorFields, within } from "../../http/index.ts";
import { SIGNATURE_HEADER } from "../contract.ts";
import { callOut, mayRetry } from "./call.ts";
import { HistoryEntrySchema } from "../shapes.ts";
import type { HistoryEntry } from "./history.ts";
import type { NoticeChannel } from "./notices.ts";
import { sign } from "./signature.ts";
import { MAX_WAITING, type RolloutStore, type Waiting } from "./store.ts";
import type { RolloutSettings, Surroundings } from "./surroundings.ts";
import { IDEMPOTENCY_HEADER, waitMs } from "./webhooks.ts";

export const HISTORY_CHANNEL = "history";
/** Longest wait for the database, in milliseconds. */
const HISTORY_TIMEOUT_MS = 5_000;
/** Rows that one statement takes. */
const HISTORY_BATCH = 100;

/** Tries of one notice; with the waits between them it is given up after about half an hour. */
export const NOTICE_TRIES = 12;
const NOTICE_TIMEOUT_MS = 5_000;
/** Longest wait between two tries; a longer `retry-after` is cut to it. */
const LONGEST_WAIT_MS = 5 * 60_000;
/** Messages of one channel that one run delivers. */
const RUN_LENGTH = 20;

/** A message to a URL that may be a secret: the channel tells where it goes. */
const MessageSchema = z.object({
  body: z.string(),
  /** Names the message, so that a receiver recognises a repeat. */
  key: z.string(),
  /** Of a webhook of the plan. */
  url: z.string().optional(),
  timeoutMs: z.number().default(NOTICE_TIMEOUT_MS),
  tries: z.number().default(NOTICE_TRIES),
});
type Message = z.input<typeof MessageSchema>;

const URLS: Readonly<Record<NoticeChannel, keyof RolloutSettings>> = {
  slack: "NOTIFY_SLACK_URL",
  discord: "NOTIFY_DISCORD_URL",
  webhook: "NOTIFY_WEBHOOK_URL",
};

function isNoticeChannel(channel: string): channel is NoticeChannel {
  return channel in URLS;
}

/** Channels that have somewhere to go. */
export function openChannels(settings: RolloutSettings): readonly NoticeChannel[] {
  return Object.entries(URLS).flatMap(([channel, name]) =>
    isNoticeChannel(channel) && settings[name] ? [channel] : [],
  );
}

/** Messages on their way out. */
export class Outbox {
  readonly #store: RolloutStore;
  readonly #surroundings: Surroundings;

  constructor(store: RolloutStore, surroundings: Surroundings) {
    this.#store = store;
    this.#surroundings = surroundings;
  }

  /** Puts a message behind those of its channel; belongs into the transaction of what it tells. */
  post(channel: string, message: Message): void {
    this.#enqueue(channel, JSON.stringify(message), MAX_WAITING.notice);
  }

  /** Puts a transition behind those that the history still lacks. */
  postHistory(entry: HistoryEntry): void {
    this.#enqueue(HISTORY_CHANNEL, JSON.stringify(entry), MAX_WAITING.history);
  }

  #enqueue(channel: string, text: string, bound: number): void {
    const dropped = this.#store.enqueue(channel, text, bound);
    if (dropped === 0) return;
    this.#surroundings.log("warn", "rollout-message-dropped", { channel, dropped, why: "too many wait" });
  }

  /** Tries what is due, all channels side by side. */
  async deliver(): Promise<void> {
    await Promise.all(
      this.#store.waitingChannels().map(async (channel) => {
        await (channel === HISTORY_CHANNEL ? this.#deliverHistory() : this.#deliverChannel(channel));
      }),
    );
  }

  async #deliverHistory(): Promise<void> {
    const { record, now, log } = this.#surroundings;
    const due = this.#store.waiting(HISTORY_CHANNEL, HISTORY_BATCH);
    const [oldest] = due;
    if (oldest === undefined || oldest.due > now()) return;
    const seqs = due.map(({ seq }) => seq);
    try {
      const entries = due.flatMap(({ message }) => {
        const entry = HistoryEntrySchema.safeParse(JSON.parse(message));
        return entry.success ? [entry.data] : [];
      });
      if (entries.length > 0) await within(HISTORY_TIMEOUT_MS, record(entries));
      this.#store.delivered(seqs);
    } catch (error) {
      const wait = waitMs(oldest.tries + 1, { kind: "silent", why: "" }, LONGEST_WAIT_MS);
      this.#store.postpone(seqs, now() + wait);
      log("warn", "rollout-history", errorFields(error));
    }
  }

  async #deliverChannel(channel: string): Promise<void> {
    for (const waiting of this.#store.waiting(channel, RUN_LENGTH)) {
      if (waiting.due > this.#surroundings.now()) return;
      if (!(await this.#deliverOne(waiting))) return;
    }
  }

  /** Whether the next one's turn has come. */
  async #deliverOne({ seq, channel, message, tries }: Waiting): Promise<boolean> {
    const { settings, now, log } = this.#surroundings;
    const read = MessageSchema.safeParse(JSON.parse(message));
    const url = isNoticeChannel(channel) ? settings[URLS[channel]] : read.data?.url;
    if (!read.success || !url) {
      this.#store.delivered([seq]);
      log("warn", "rollout-message-dropped", { channel, dropped: 1, why: "it has nowhere to go" });
      return true;
    }
    const { body, key, timeoutMs, ...own } = read.data;
    const headers = await this.#headers(channel, body, key);
    const answer = await callOut(this.#surroundings, { url, body, headers, timeoutMs });
    const arrived = answer.kind === "answered" && answer.status >= 200 && answer.status < 300;
    if (arrived || !mayRetry(answer) || tries + 1 >= own.tries) {
      this.#store.delivered([seq]);
      if (!arrived) {
        const why = answer.kind === "silent" ? answer.why : `status ${answer.status}`;
        log("warn", "rollout-message-dropped", { channel, dropped: 1, tries: tries + 1, why });
      }
      return true;
    }
    this.#store.postpone([seq], now() + waitMs(tries + 1, answer, LONGEST_WAIT_MS));
    return false;
  }

  /** Slack and Discord know nothing of signatures. */
  async #headers(channel: string, body: string, key: string): Promise<Readonly<Record<string, string>>> {
    if (channel === "slack" || channel === "discord") return {};
    const secret = this.#surroundings.settings.ROLLOUT_WEBHOOK_KEY;
    const signed = secret ? { [SIGNATURE_HEADER]: await sign(body, secret, this.#surroundings.now()) } : {};
    return { [IDEMPOTENCY_HEADER]: key, ...signed };
  }
}
