import { describe, expect, it } from "vitest";
import { sameConsumer } from "./triggers.ts";

describe("a queue consumer", () => {
  const wanted = {
    queue: "ingest",
    deadLetter: "ingest-dlq",
    maxBatchSize: 100,
    maxBatchTimeoutSeconds: 1,
    maxRetries: 5,
  } as const;
  const found = {
    scriptName: "archiver",
    deadLetterQueue: "dlq",
    batchSize: 100,
    maxWaitMs: 1_000,
    maxRetries: 5,
  };

  it("is the wanted one only with every setting", () => {
    expect(sameConsumer(wanted, "dlq", "archiver", [found])).toBe(true);
    expect(sameConsumer(wanted, "dlq", "archiver", [])).toBe(false);
    for (const change of [
      { scriptName: "hub" },
      { deadLetterQueue: null },
      { batchSize: 10 },
      { maxWaitMs: 5 },
      { maxRetries: 3 },
    ]) {
      expect(sameConsumer(wanted, "dlq", "archiver", [{ ...found, ...change }])).toBe(false);
    }
  });

  it("of a queue without a dead-letter queue must have none", () => {
    const last = { ...wanted, deadLetter: null };
    expect(sameConsumer(last, null, "archiver", [{ ...found, deadLetterQueue: null }])).toBe(true);
    expect(sameConsumer(last, null, "archiver", [found])).toBe(false);
  });
});
