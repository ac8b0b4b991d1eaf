import { describe, expect, it } from "vitest";
import { validateMessages } from "./producer.ts";

const message = (bytes: number, overrides: object = {}) => ({
  body: new Uint8Array(bytes),
  format: "json",
  delay: undefined,
  ...overrides,
});

describe("a sent message", () => {
  it("may have 128,000 bytes and no more", () => {
    expect(validateMessages([message(128_000)], false)).toHaveLength(1);
    expect(() => validateMessages([message(128_001)], false)).toThrow(
      "message length of 128001 bytes exceeds limit of 128000",
    );
  });

  it("may be delayed by up to a day", () => {
    expect(validateMessages([message(1, { delay: 86_400 })], false)).toMatchObject([
      { delaySeconds: 86_400 },
    ]);
    for (const delay of [86_401, -1, 0.5, Number.NaN]) {
      expect(() => validateMessages([message(1, { delay })], false)).toThrow(
        `message delay ${delay} is invalid`,
      );
    }
  });

  it("has one of four content types", () => {
    expect(() => validateMessages([message(1, { format: "xml" })], false)).toThrow(
      "message content type xml is invalid",
    );
    expect(validateMessages([message(1, { format: undefined })], false)).toMatchObject([
      { contentType: "v8" },
    ]);
  });
});

describe("a sent batch", () => {
  it("may have 100 messages and no more", () => {
    expect(
      validateMessages(
        Array.from({ length: 100 }, () => message(1)),
        true,
      ),
    ).toHaveLength(100);
    expect(() =>
      validateMessages(
        Array.from({ length: 101 }, () => message(1)),
        true,
      ),
    ).toThrow("batch message count of 101 exceeds limit of 100");
  });

  it("may have 256,000 bytes and no more", () => {
    expect(validateMessages([message(128_000), message(128_000)], true)).toHaveLength(2);
    expect(() => validateMessages([message(128_000), message(128_000), message(1)], true)).toThrow(
      "batch size of 256001 bytes exceeds limit of 256000",
    );
  });

  it("may have no message that is too long by itself", () => {
    expect(() => validateMessages([message(1), message(128_001)], true)).toThrow(
      "message in batch has length 128001 bytes which exceeds single message size limit of 128000",
    );
  });
});
