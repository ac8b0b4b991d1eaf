import { describe, expect, it } from "vitest";
import { keyArgumentOf, literalOf, placeholdersOf, wordsOf } from "./words.ts";

describe("wordsOf", () => {
  it.each([
    ["lastSyncAt", "last sync at"],
    ["LAST_SYNC_AT", "last sync at"],
    ["last-sync:at", "last sync at"],
    ["APIKeyStore", "api key store"],
    ["OAuthToken", "oauth token"],
    ["googleOAuth2Token", "google oauth token"],
    ["oauth2:token", "oauth token"],
    ["RateLimiter.check", "rate limiter check"],
    ["blockchain", "blockchain"],
    ["v1/users/42", "v users"],
    ["ロック:1", ""],
    ["", ""],
  ])("splits %j", (text, words) => {
    expect(wordsOf(text).join(" ")).toBe(words);
  });
});

describe("a key pattern", () => {
  it("is divided into what is literal and what is not known", () => {
    expect(wordsOf(literalOf("session:{userId}:{…}:token"))).toEqual(["session", "token"]);
    expect(placeholdersOf("session:{userId}:{…}")).toBe("userId …");
  });
});

describe("keyArgumentOf", () => {
  it.each([
    ['env.KV.put("page:1", JSON.stringify({ count }))', "put", '"page:1"'],
    ['kv.get<Session>(lockKey(id, 1), { type: "json" })', "get", "lockKey(id, 1)"],
    ["env[name].delete(key)", "delete", "key"],
    ["kv.get(", "get", ""],
    ["kv.getWithMetadata(a)", "get", ""],
    ["nothing", "get", ""],
  ] as const)("of %j", (code, operation, argument) => {
    expect(keyArgumentOf(code, operation)).toBe(argument);
  });

  it("is quick with a call that holds a whole program", () => {
    expect(keyArgumentOf("kv.get<".repeat(300_000), "get")).toBe("");
  });
});
