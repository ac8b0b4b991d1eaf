/**
 * Cloudflare Queues takes messages of 128 KB and batches of 100 messages and
 * 256 KB (1 KB is 1,000 bytes), each message's own metadata of about 100 bytes
 * included. Both bounds in bytes keep a margin for that metadata.
 */
export const MAX_MESSAGE_BYTES = 127_800;
export const MAX_BATCH_MESSAGES = 100;
export const MAX_BATCH_BYTES = 245_000;
