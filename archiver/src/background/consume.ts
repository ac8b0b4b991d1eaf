/**
 * The queue consumer of the stable archiver while a canary has a share: it hands
 * over first deliveries only, believes no acknowledgement that the database does
 * not bear out, and does at once whatever the canary failed. So nothing is lost,
 * and nothing waits longer than the order's `overdueMs`.
 */
import {
  consume,
  type ConsumeBindings,
  findStored,
  identify,
  type MessageIdentity,
  readMessage,
} from "../buffer/index.ts";
import { errorFields, log } from "../log.ts";
import type { BackgroundMessage } from "./contract.ts";
import { type Answer, answerWithin } from "./deadline.ts";
import { count, handOver, type LaneBindings, type OpenLane, openLane } from "./lanes.ts";
import { isCanarys } from "./share.ts";

export type LaneConsumeBindings = ConsumeBindings & LaneBindings;
type Bindings = ConsumeBindings & OpenLane;

type Messages = readonly Message<unknown>[];

/** After the canary's time is up: what the stable archiver may need to do its part and count it. */
const TAKEOVER_MS = 60_000;

/**
 * Stores a batch as `consume` does, with the canary's share by the canary. It
 * asks D1 once where no share is open, and otherwise five times beside what both
 * parts take: the order, the hand-over, its check, and the counts of each lane.
 */
export async function consumeInLanes(
  batch: Pick<MessageBatch<unknown>, "messages">,
  bindings: LaneConsumeBindings,
): Promise<void> {
  const lane = await openLane(bindings);
  if (lane === null) return consume(batch, bindings);
  const { stable, canary } = split(batch.messages, lane);
  const parts = await Promise.allSettled([stablePart(stable, lane), canaryPart(canary, lane)]);
  for (const part of parts) if (part.status === "rejected") throw part.reason;
}

/** What was delivered before is the stable archiver's, in case the canary could not do it. */
function split(
  messages: Messages,
  { order }: Bindings,
): { readonly stable: Messages; readonly canary: readonly Handed[] } {
  const stable: Message<unknown>[] = [];
  const canary: Handed[] = [];
  for (const message of messages) {
    const handed =
      message.attempts === 1 && isCanarys(order.rolloutId, order.share, message.id) ? asData(message) : null;
    if (handed === null) stable.push(message);
    else canary.push({ message, data: handed });
  }
  return { stable, canary };
}

interface Handed {
  readonly message: Message<unknown>;
  readonly data: BackgroundMessage;
}

/** @returns `null` when the body cannot be had */
function asData(message: Message<unknown>): BackgroundMessage | null {
  try {
    const { id, timestamp, attempts, body } = message;
    return { id, timestamp, attempts, body };
  } catch {
    return null;
  }
}

async function stablePart(messages: Messages, lane: Bindings): Promise<void> {
  if (messages.length === 0) return;
  const startedAt = lane.now();
  const acked = await consumeWatched(messages, lane);
  const took = lane.now() - startedAt;
  const first = messages.filter(({ attempts }) => attempts === 1);
  await count(lane, {
    lane: "stable",
    route: "queue",
    requests: first.length,
    errors: first.filter((message) => !acked.has(message)).length,
    how: took > lane.order.overdueMs ? "overdue" : "answered",
    took,
  });
}

/** Stores messages here. @returns those that were acknowledged */
async function consumeWatched(
  messages: Messages,
  bindings: ConsumeBindings,
): Promise<ReadonlySet<Message<unknown>>> {
  const acked = new Set<Message<unknown>>();
  const watched = messages.map((message) => watch(message, () => void acked.add(message)));
  await consume({ messages: watched }, bindings);
  return acked;
}

function watch(message: Message<unknown>, onAck: () => void): Message<unknown> {
  return {
    id: message.id,
    timestamp: message.timestamp,
    attempts: message.attempts,
    get body() {
      return message.body;
    },
    ack: () => {
      message.ack();
      onAck();
    },
    retry: (options) => message.retry(options),
  };
}

async function canaryPart(handed: readonly Handed[], lane: Bindings): Promise<void> {
  if (handed.length === 0) return;
  const { canary, order, now } = lane;
  const handover = await handOver(lane, "queue", handed.length, order.overdueMs + TAKEOVER_MS);
  if (handover === null) {
    await consume({ messages: handed.map(({ message }) => message) }, lane);
    return;
  }
  const startedAt = now();
  const answer = await answerWithin(order.overdueMs, () => canary.consume(handed.map(({ data }) => data)));
  const took = now() - startedAt;
  const done = await stored(handed, ackedBy(answer), lane);
  for (const { message } of done.stored) message.ack();
  const left = handed.filter((one) => !done.stored.has(one));
  const blamed = await takeOver(left, done.unknown, answer, lane);
  await count(
    lane,
    {
      lane: "canary",
      route: "queue",
      requests: done.stored.size + blamed,
      errors: blamed,
      how: answer.kind,
      took,
    },
    handover,
  );
}

/** The ids that the canary says are done; none where it says nothing that can be understood. */
function ackedBy(answer: Answer): ReadonlySet<unknown> {
  if (answer.kind !== "answered") return new Set();
  const { value } = answer;
  if (typeof value !== "object" || value === null || !("acked" in value)) return new Set();
  return new Set(Array.isArray(value.acked) ? value.acked : []);
}

interface Checked {
  readonly stored: ReadonlySet<Handed>;
  /** Acknowledged by the canary, and nobody could say whether they are stored. */
  readonly unknown: ReadonlySet<Handed>;
}

/** Which of the acknowledged messages the database has. */
async function stored(
  handed: readonly Handed[],
  acked: ReadonlySet<unknown>,
  { db }: Bindings,
): Promise<Checked> {
  const claims = handed.flatMap((one): { readonly one: Handed; readonly identity: MessageIdentity }[] => {
    const identity = acked.has(one.data.id) ? identify(one.data.body) : null;
    return identity === null ? [] : [{ one, identity }];
  });
  if (claims.length === 0) return { stored: new Set(), unknown: new Set() };
  try {
    const found = await findStored(
      db,
      claims.map(({ identity }) => identity),
    );
    const borneOut = claims.filter(({ identity }) => found.has(identity.messageId));
    return { stored: new Set(borneOut.map(({ one }) => one)), unknown: new Set() };
  } catch (error) {
    log.warn("background.not_checked", { messages: claims.length, ...errorFields(error) });
    return { stored: new Set(), unknown: new Set(claims.map(({ one }) => one)) };
  }
}

/**
 * Stores what the canary did not.
 * @returns for how many messages that is the canary's fault: those that can be read and could be stored here
 */
async function takeOver(
  left: readonly Handed[],
  unknown: ReadonlySet<Handed>,
  answer: Answer,
  lane: Bindings,
): Promise<number> {
  if (left.length === 0) return 0;
  const acked = await consumeWatched(
    left.map(({ message }) => message),
    lane,
  );
  const blamed = left.filter((one) => acked.has(one.message) && !unknown.has(one) && isReadable(one, lane));
  log.warn("background.taken_over", {
    messages: left.length,
    blamed: blamed.length,
    answer: answer.kind,
    ...(answer.kind === "threw" ? errorFields(answer.error) : {}),
  });
  return blamed.length;
}

function isReadable({ data }: Handed, { registry }: Bindings): boolean {
  try {
    return readMessage(data.body, registry).kind === "row";
  } catch {
    return false;
  }
}
