/** What travels through the dead-letter queue when the consumer itself gives a message up. */
import { asBuffer, Type } from "../tables/index.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";

/** A message that was given up, with the reason. */
export interface GivenUp {
  /** The ingest queue's id of the message: one that is given up twice is one letter. */
  readonly deliveryId: string;
  readonly reason: string;
  /** The message as it was sent. */
  readonly body: Uint8Array;
}

/** A reason may quote what a stranger has sent. */
const MAX_REASON_CHARS = 500;

/** `D`, which no ingest message begins with, then the version of the wrapper. */
const MAGIC = Uint8Array.of(0x44, 0x01);

const WRAPPER = Type.forSchema({
  type: "record",
  name: "strata.DeadLetter",
  fields: [
    { name: "deliveryId", type: "string" },
    { name: "reason", type: "string" },
    { name: "body", type: "bytes" },
  ],
});

/** Wraps a message with its reason; `null` when the result is larger than a queue takes. */
export function wrapDeadLetter({ deliveryId, reason, body }: GivenUp): Uint8Array | null {
  const content = WRAPPER.toBuffer({
    deliveryId,
    reason: cutText(reason),
    body: asBuffer(body),
  });
  if (MAGIC.length + content.length > MAX_MESSAGE_BYTES) return null;
  const bytes = new Uint8Array(MAGIC.length + content.length);
  bytes.set(MAGIC);
  bytes.set(content, MAGIC.length);
  return bytes;
}

/** Half a surrogate pair at the cut has no form in UTF-8. */
function cutText(text: string): string {
  return text.length <= MAX_REASON_CHARS ? text : `${text.slice(0, MAX_REASON_CHARS).toWellFormed()}…`;
}

/** Unwraps a letter; `null` when the bytes are no wrapper, but a message that the queue gave up itself. */
export function unwrapDeadLetter(bytes: Uint8Array): GivenUp | null {
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) return null;
  try {
    return { ...WRAPPER.fromBuffer(asBuffer(bytes.subarray(MAGIC.length))) };
  } catch {
    return null;
  }
}
