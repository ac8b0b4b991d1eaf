export { queueBatches, sendRequests } from "./batches.ts";
export { type GivenUp, unwrapDeadLetter, wrapDeadLetter } from "./dead-letter.ts";
export { decodeMessage, encodeMessage, EnvelopeError, type IngestMessage } from "./envelope.ts";
export { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_MESSAGE_BYTES } from "./limits.ts";
export { retryDelaySeconds } from "./retry.ts";
