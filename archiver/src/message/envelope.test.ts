import { describe, expect, it } from "vitest";
import { decodeMessage, encodeMessage, EnvelopeError, type IngestMessage } from "./index.ts";

const MESSAGE: IngestMessage = {
  id: "0195b8a2-6f0e-8c00-8000-000000000001",
  datasetId: "LAS",
  table: "flights",
  period: "2026_11_20",
  fingerprint: "ab".repeat(32),
  recordCount: 2,
  minTime: -1,
  maxTime: 1_766_500_000_123,
  acceptedAt: 1_766_500_000_999,
  payload: Uint8Array.of(1, 2, 3, 250),
};

describe("the envelope", () => {
  it("carries a message unchanged", () => {
    const back = decodeMessage(encodeMessage(MESSAGE));
    expect({ ...back, payload: [...back.payload] }).toEqual({ ...MESSAGE, payload: [1, 2, 3, 250] });
  });

  it("reads a message that is a view into a larger buffer", () => {
    const bytes = encodeMessage(MESSAGE);
    const around = new Uint8Array(bytes.length + 20);
    around.set(bytes, 11);
    expect(decodeMessage(around.subarray(11, 11 + bytes.length)).recordCount).toBe(2);
  });

  it("of version 1, which may wait in the queue during a release, was accepted before every erasure", () => {
    const version1 = Buffer.from(
      "5301103031393562386132064c41530e666c696768747314323032365f31315f3230" +
        `${"ab".repeat(32)}0401069aefe7e3160801020304`,
      "hex",
    );
    const { payload, ...fields } = decodeMessage(version1);
    expect(fields).toEqual({
      id: "0195b8a2",
      datasetId: "LAS",
      table: "flights",
      period: "2026_11_20",
      fingerprint: "ab".repeat(32),
      recordCount: 2,
      minTime: -1,
      maxTime: 3,
      acceptedAt: 0,
    });
    expect([...payload]).toEqual([1, 2, 3, 4]);
  });

  it("refuses bytes of another kind, of another version, cut off, prolonged or changed", () => {
    const bytes = encodeMessage(MESSAGE);
    const changed = bytes.slice();
    changed[bytes.length - 1] = 0;
    const cases = [
      new Uint8Array(0),
      new TextEncoder().encode('{"records":[]}'),
      Uint8Array.of(0x53, 0x03, ...bytes.subarray(2)),
      Uint8Array.of(0x53, 0x01, ...bytes.subarray(2)),
      bytes.subarray(0, bytes.length - 1),
      Uint8Array.of(...bytes, 0),
      changed,
    ];
    for (const garbled of cases) expect(() => decodeMessage(garbled)).toThrow(EnvelopeError);
  });
});
