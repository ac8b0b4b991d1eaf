/**
 * One request is cut into slices, each of which is one batch of the queue: a
 * batch is taken whole or not at all, so that what was accepted of a request
 * can always be said exactly. The queue's own limits stand in `message/limits.ts`.
 */
import { MAX_BATCH_BYTES } from "../message/index.ts";

/** Batches of one request, sent one after another. */
export const MAX_SLICES = 16;

/** Records of one request; checking and encoding so many small ones takes about 0.4 s of CPU. */
export const MAX_RECORDS = 100_000;

/** Bytes of records in one message; the rest of 128 KB is left to the envelope and to the queue. */
export const MAX_PAYLOAD_BYTES = 120_000;

/** An envelope with the longest names takes less than this. */
export const MAX_ENVELOPE_BYTES = 400;

/** Bytes of all records of a request: what its batches hold at most. */
export const MAX_REQUEST_BYTES = MAX_SLICES * MAX_BATCH_BYTES;

/** Bytes of a container as it is sent; its framing adds little to the records, and compression takes from them. */
export const MAX_CONTAINER_BYTES = 6_000_000;

/** How deep the values of a generic record may be nested. */
export const MAX_JSON_DEPTH = 64;

/** Event times lie in the years 1 to 9999, so that a UTC day has a four-digit year. */
export const MIN_TIME = Date.parse("0001-01-01T00:00:00Z");
export const MAX_TIME = Date.parse("9999-12-31T23:59:59.999Z");
