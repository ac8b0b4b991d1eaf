/**
 * Cloudflare Queues takes messages of 128 KB and batches of 100 messages and
 * 256 KB, each message's own metadata of about 100 bytes included. One request
 * is one batch, so that it is accepted whole or not at all: a second batch that
 * is refused after a first one went through would leave a client no safe retry.
 */
export const MAX_MESSAGES = 100;

/** Bytes of records in one message; the rest of 128 KB is left to the envelope and to the queue. */
export const MAX_PAYLOAD_BYTES = 120_000;

/** Bytes of all messages of one request, envelopes included. */
export const MAX_BATCH_BYTES = 245_000;

/** Event times lie in the years 1 to 9999, so that a UTC day has a four-digit year. */
export const MIN_TIME = Date.parse("0001-01-01T00:00:00Z");
export const MAX_TIME = Date.parse("9999-12-31T23:59:59.999Z");
