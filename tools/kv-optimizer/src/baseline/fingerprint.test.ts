import { describe, expect, it } from "vitest";
import type { KvCall } from "../model.ts";
import { HOUR_TTL, NO_TTL, call, list, put } from "../report/test-findings.ts";
import { fingerprints } from "./fingerprint.ts";

const idsOf = (calls: readonly KvCall[]): readonly string[] => [...fingerprints(calls).values()];
const idOf = (item: KvCall): string => idsOf([item])[0] ?? "";

describe("the id of a call", () => {
  it("is 16 hexadecimal digits", () => {
    expect(idOf(call())).toMatch(/^[0-9a-f]{16}$/);
  });

  it("survives moving the call to another file and line", () => {
    expect(idOf(call({ file: "src/users/profile.ts", line: 99, column: 3 }))).toBe(idOf(call()));
  });

  it("survives what the analysis learns about callers, rates and ignore comments", () => {
    expect(idOf(call({ paths: [], ratePerDay: 5, confidence: "low", resolution: [] }))).toBe(idOf(call()));
    expect(idOf(call({ ignored: "moves with #12" }))).toBe(idOf(call()));
  });

  it("survives other calls that come and go around it", () => {
    expect(idsOf([put(), call(), list()])).toContain(idOf(call()));
  });

  it.each<[string, Partial<KvCall>]>([
    ["operation", { operation: "getWithMetadata" }],
    ["bulk", { bulk: true }],
    ["bindings", { bindings: ["SESSIONS"] }],
    ["keys", { keys: ["profile:{tenant}:{id}"] }],
    ["scope", { scope: "warmProfile" }],
    ["code", { code: "env.CACHE.get(`profile:${user.id}`)" }],
  ])("changes with its %s", (_, change) => {
    expect(idOf(call(change))).not.toBe(idOf(call()));
  });

  it.each([
    ["dropped options", "cache.put(LAST_SYNC, at)", "cache.put(LAST_SYNC, at, { expirationTtl: 60 })"],
    ["other options", "cache.put(a, b, { expirationTtl: 60 })", "cache.put(a, b, ttlOf({ x: [1, 2] }))"],
    ["awaited", "await cache.put(a, b)", "await cache.put(a, b, options)"],
    ["optional chain", "env.C?.put(a, b)", "env.C?.put(a, b, options)"],
    ["commas and parentheses in texts", "c.put('),', `,${f(',')})`)", "c.put('),', `,${f(',')})`, o)"],
    ["trailing comma", "c.put(a, b)", "c.put(a, b, {},)"],
    ["type arguments", "c.put<T>(a, b as T)", "c.put<T>(a, b as T, { metadata })"],
    ["no ASCII", "c.put('鍵', '値')", "c.put('鍵', '値', { expirationTtl: 60 })"],
  ])("is the same for a put with and without its TTL: %s", (_, without, having) => {
    expect(idOf(put({ code: having, ttl: HOUR_TTL }))).toBe(idOf(put({ code: without })));
  });

  it("rests on the whole code where that is no expression", () => {
    expect(idOf(put({ code: "cache.put(a, b, {" }))).not.toBe(idOf(put({ code: "cache.put(a, b)" })));
  });
});

describe("ids of equal calls", () => {
  const twice = [call({ line: 1 }), call({ line: 2 })] as const;

  it("are distinct, and do not depend on the order in which they were found", () => {
    expect(new Set(idsOf(twice)).size).toBe(2);
    const forth = fingerprints(twice);
    const back = fingerprints([twice[1], twice[0]]);
    expect(back.get(twice[0])).toBe(forth.get(twice[0]));
  });

  it("stay one set when one of them moves in front of the other", () => {
    expect(new Set(idsOf([call({ line: 9 }), call({ file: "src/a.ts" })]))).toEqual(new Set(idsOf(twice)));
  });

  it("keep the id of the one without TTL when the one with a TTL is moved in front of it", () => {
    const bare = put({ line: 1, ttl: NO_TTL });
    const before = fingerprints([bare, put({ line: 2, ttl: HOUR_TTL })]);
    const after = fingerprints([put({ file: "src/a.ts", ttl: HOUR_TTL }), bare]);
    expect(after.get(bare)).toBe(before.get(bare));
  });

  it("go first to those that are not ignored", () => {
    const counted = call({ line: 2 });
    expect(fingerprints([call({ line: 1, ignored: "legacy" }), counted]).get(counted)).toBe(idOf(call()));
  });
});
