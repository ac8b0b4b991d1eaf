import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canaryHub, captureLogs, testHub, withKey, json } from "../../test/hub.ts";
import { formatNumbers, MAX_NUMBER, MAX_NUMBERS, parseNumbers } from "./numbers.ts";

captureLogs();

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,39}$/);
const value = fc.double({ min: 0, max: MAX_NUMBER, noNaN: true }).map((number) => number + 0);

describe("numbers in a header", () => {
  it("come back as they were, whatever their names and values", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: MAX_NUMBERS }), (pairs) => {
        const numbers = new Map(pairs);
        expect(parseNumbers(formatNumbers(numbers))).toEqual(numbers);
      }),
    );
  });

  it("are dropped where they are none, and the others are kept", () => {
    const header = "ok=1;Upper=2;=3;nan=x;negative=-1;infinite=1e999;large=1.1e15;huge=1e308;empty=;two=2;";
    expect(parseNumbers(header)).toEqual(
      new Map([
        ["ok", 1],
        ["two", 2],
      ]),
    );
  });

  it.each([null, "", "x", ";;;", "a=1;".repeat(200)])("are none in %j", (header) => {
    expect(parseNumbers(header).size).toBe(0);
  });

  it("are at most a few", () => {
    const header = Array.from({ length: 20 }, (_, index) => `n${index}=${index}`).join(";");
    expect(parseNumbers(header).size).toBe(MAX_NUMBERS);
  });

  it("never make the parser fail", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseNumbers(text).size).toBeLessThanOrEqual(MAX_NUMBERS);
      }),
    );
  });
});

describe("the numbers of an answer", () => {
  const wanted = { "strata-numbers": "wanted" };
  const page = "/read?dataset_id=cold&table=flights";

  it("are told by the canary to the stable lane, which asks for them", async () => {
    const read = await canaryHub().fetch(page, { headers: { ...withKey, ...wanted } });
    expect(read.headers.get("strata-numbers")).toMatch(/^records_read=\d+$/);
    const body = { dataset_id: "airport:ATL", table: "flights", records: [{ delay: 1 }, { delay: 2 }] };
    const taken = await canaryHub().fetch("/buffer", json(body, { ...withKey, ...wanted }));
    expect(taken.headers.get("strata-numbers")).toBe("records_taken=2");
  });

  it("are told to nobody else", async () => {
    expect((await canaryHub().fetch(page, { headers: withKey })).headers.has("strata-numbers")).toBe(false);
    const stable = await testHub().fetch(page, { headers: { ...withKey, ...wanted } });
    expect([stable.status, stable.headers.has("strata-numbers")]).toEqual([200, false]);
  });
});
