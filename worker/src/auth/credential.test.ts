import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apiKey, bearerToken, sameSecret } from "./credential.ts";

describe("bearerToken", () => {
  it.each([
    ["Bearer abc", "abc"],
    ["bearer  abc ", "abc"],
    ["Basic abc", null],
    ["Bearer", null],
    ["Bearer a b", null],
    ["", null],
  ])("reads %j as %j", (header, token) => {
    expect(bearerToken(new Headers({ authorization: header }))).toBe(token);
  });
});

describe("apiKey", () => {
  it("takes the key's own header before the bearer token", () => {
    expect(apiKey(new Headers({ "x-api-key": "key", authorization: "Bearer token" }))).toBe("key");
    expect(apiKey(new Headers({ authorization: "Bearer token" }))).toBe("token");
    expect(apiKey(new Headers())).toBeNull();
  });
});

describe("sameSecret", () => {
  it("holds exactly for equal texts", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "\u0000"), maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(text, text, async (left, right) => {
        expect(await sameSecret(left, right)).toBe(left === right);
        expect(await sameSecret(left, left)).toBe(true);
      }),
    );
  });
});
