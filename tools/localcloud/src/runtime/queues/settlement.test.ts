import { describe, expect, it } from "vitest";
import type { QueueConsumerSettings } from "../../model.ts";
import { batchDueAt, settle, type DeliveryResult } from "./settlement.ts";

const SETTINGS: QueueConsumerSettings = {
  batchSize: 10,
  maxWaitMs: 5000,
  maxRetries: 2,
  retryDelaySeconds: 7,
  maxConcurrency: null,
};

function result(overrides: Partial<DeliveryResult> = {}): DeliveryResult {
  return { outcome: "ok", ackAll: false, retryBatch: { retry: false }, explicitAcks: [], ...overrides };
}

const settled = (attempts: number, overrides: Partial<DeliveryResult>) =>
  settle("m", attempts, result(overrides), SETTINGS);

describe("settling a message", () => {
  it("acknowledges it when the handler succeeds", () => {
    expect(settled(1, {})).toEqual({ kind: "acknowledge" });
  });

  it("retries it after the consumer's delay when the handler fails", () => {
    expect(settled(1, { outcome: "exception" })).toEqual({ kind: "retry", delaySeconds: 7 });
  });

  it("keeps its own acknowledgement when the handler fails or retries all", () => {
    expect(settled(1, { outcome: "exception", explicitAcks: ["m"] })).toEqual({ kind: "acknowledge" });
    expect(settled(1, { retryBatch: { retry: true }, explicitAcks: ["m"] })).toEqual({ kind: "acknowledge" });
  });

  it("keeps its own retry when the handler succeeds or acknowledges all", () => {
    const retryMessages = [{ msgId: "m", delaySeconds: 3 }];
    expect(settled(1, { retryMessages })).toEqual({ kind: "retry", delaySeconds: 3 });
    expect(settled(1, { retryMessages, ackAll: true })).toEqual({ kind: "retry", delaySeconds: 3 });
  });

  it("is acknowledged by ackAll even when the handler fails then", () => {
    expect(settled(1, { outcome: "exception", ackAll: true })).toEqual({ kind: "acknowledge" });
  });

  it("takes the message's delay before the batch's before the consumer's", () => {
    const retryBatch = { retry: true, delaySeconds: 5 };
    expect(settled(1, { retryBatch })).toEqual({ kind: "retry", delaySeconds: 5 });
    expect(settled(1, { retryBatch, retryMessages: [{ msgId: "m", delaySeconds: 0 }] })).toEqual({
      kind: "retry",
      delaySeconds: 0,
    });
    expect(settled(1, { retryMessages: [{ msgId: "m" }] })).toEqual({ kind: "retry", delaySeconds: 7 });
  });

  it("gives up after the first delivery and all retries", () => {
    expect(settled(2, { outcome: "exception" })).toMatchObject({ kind: "retry" });
    expect(settled(3, { outcome: "exception" })).toEqual({ kind: "give-up" });
  });
});

describe("the next batch", () => {
  it("is due at once when it is full", () => {
    expect(batchDueAt({ count: 10, oldest: 1000 }, SETTINGS)).toBe(1000);
  });

  it("is due when its oldest message has waited long enough", () => {
    expect(batchDueAt({ count: 9, oldest: 1000 }, SETTINGS)).toBe(6000);
  });
});
