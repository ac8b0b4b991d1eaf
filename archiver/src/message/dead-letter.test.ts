import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_MESSAGE_BYTES, unwrapDeadLetter, wrapDeadLetter } from "./index.ts";

const LETTER = { deliveryId: "delivery-1", reason: "it is no message", body: Uint8Array.of(1, 2, 3) };

describe("a wrapped dead letter", () => {
  it("carries a message, its id and the reason unchanged", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string({ maxLength: 500 }), (body, reason) => {
        const wrapped = wrapDeadLetter({ deliveryId: "delivery-1", reason, body });
        const back = wrapped === null ? null : unwrapDeadLetter(wrapped);
        expect(back).toMatchObject({ deliveryId: "delivery-1", reason });
        expect([...(back?.body ?? [])]).toEqual([...body]);
      }),
    );
  });

  it("is cut in its reason, which may quote a stranger", () => {
    const wrapped = wrapDeadLetter({ ...LETTER, reason: `${"x".repeat(499)}😀${"y".repeat(90_000)}` });
    expect(wrapped?.byteLength).toBeLessThan(600);
    expect(unwrapDeadLetter(wrapped ?? new Uint8Array())?.reason).toBe(`${"x".repeat(499)}\u{fffd}…`);
  });

  it("is none when it would be larger than a queue takes", () => {
    expect(wrapDeadLetter({ ...LETTER, body: new Uint8Array(MAX_MESSAGE_BYTES - 100) })).not.toBeNull();
    expect(wrapDeadLetter({ ...LETTER, body: new Uint8Array(MAX_MESSAGE_BYTES) })).toBeNull();
  });

  it("is told from bytes that are none", () => {
    const wrapped = wrapDeadLetter(LETTER) ?? new Uint8Array();
    expect(unwrapDeadLetter(Uint8Array.of(0x53, 0x02, 1, 2))).toBeNull();
    expect(unwrapDeadLetter(wrapped.subarray(0, -1))).toBeNull();
    expect(unwrapDeadLetter(Uint8Array.of(...wrapped, 0))).toBeNull();
    expect(unwrapDeadLetter(new Uint8Array())).toBeNull();
  });
});
