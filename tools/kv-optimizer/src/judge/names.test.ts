import { describe, expect, it } from "vitest";
import type { KvCall } from "../model.ts";
import { readNames } from "./names.ts";
import { NAME_RULES } from "./rules.ts";
import { sampleCall, samplePath } from "./sample-call.ts";

const ruleOf = (changes: Partial<KvCall>): string | null => readNames(sampleCall(changes))?.rule.id ?? null;
const ofKey = (key: string): string | null => ruleOf({ keys: [key] });

describe("a key", () => {
  it.each([
    ["lock:sync", "control-plane/lock"],
    ["sync_lock", "control-plane/lock"],
    ["cron:isRunning", "control-plane/lock"],
    ["mutex:{id}", "control-plane/lock"],
    ["job:{id}:lock", "control-plane/lock"],
    ["account:locked:{id}", "control-plane/lock"],
    ["queue:lease:{id}", "control-plane/lease"],
    ["leases/{worker}", "control-plane/lease"],
    ["limitless:last_sync", "control-plane/last-run"],
    ["lastRunAt", "control-plane/last-run"],
    ["feed:{id}:cursor", "control-plane/last-run"],
    ["gmail:historyId", "control-plane/last-run"],
    ["last-seen:{user}", "control-plane/last-run"],
    ["sync:watermark", "control-plane/last-run"],
    ["calendar:syncToken", "control-plane/last-run"],
    ["dedupe:{hash}", "control-plane/idempotency"],
    ["webhook:processed:{id}", "control-plane/idempotency"],
    ["idempotency-key:{key}", "control-plane/idempotency"],
    ["nonces:{nonce}", "control-plane/idempotency"],
    ["seen:{guid}", "control-plane/idempotency"],
    ["freee:refresh_token", "control-plane/token"],
    ["oauth:state:{state}", "control-plane/token"],
    ["apikey:mapping:{hash}", "control-plane/token"],
    ["api_key:{key}", "control-plane/token"],
    ["session:{id}:token", "control-plane/token"],
    ["session:{id}", "control-plane/session"],
    ["views:{slug}", "control-plane/counter"],
    ["counter:visits", "control-plane/counter"],
    ["user:{id}:quota", "control-plane/counter"],
    ["openai:token_count", "control-plane/counter"],
    ["task:{id}", "control-plane/queue"],
    ["queue:", "control-plane/queue"],
    ["jobs:pending:{id}", "control-plane/queue"],
    ["result:job:{id}", "control-plane/queue"],
    ["circuit:{service}", "control-plane/switch"],
    ["maintenance_mode", "control-plane/switch"],
    ["ratelimit:{ip}", "high-frequency/limiter"],
    ["rate_limit:{ip}:count", "high-frequency/limiter"],
    ["rl:{ip}:{minute}", "high-frequency/limiter"],
    ["login:attempts:{ip}", "high-frequency/limiter"],
    ["token-bucket:{ip}", "high-frequency/limiter"],
    ["heartbeat:{device}", "high-frequency/poller"],
    ["daemon:polling:{id}", "high-frequency/poller"],
  ])("%j is %s", (key, rule) => {
    expect(ofKey(key)).toBe(rule);
  });

  it.each([
    "block:{height}",
    "blocks:{height}",
    "clock:{zone}",
    "blocklist:{ip}",
    "padlock:{id}",
    "flock",
    "release:{version}",
    "latest:price",
    "blast:{id}",
    "discount:{code}",
    "account:{id}",
    "country:{code}",
    "county",
    "encounter:{id}",
    "tokenize:{text}",
    "tokenizer:model",
    "max_tokens",
    "token-list:{chain}",
    "obsession",
    "professional:{id}",
    "unseen",
    "announcement:{id}",
    "processor:{id}",
    "leaderboard:{game}",
    "leader-board:{game}",
    "jobber",
    "multitask",
    "subsequent",
    "credit-card:{brand}",
    "rates:usd",
    "exchange_rate:{pair}",
    "pollution:{city}",
    "pollen:{city}",
    "shipping:{country}",
    "view:{template}",
    "page:{id}",
    "feature-flags",
    "config:site",
    "user:{id}",
  ])("%j is nothing of the kind", (key) => {
    expect(ofKey(key)).toBeNull();
  });
});

describe("names that say cache", () => {
  it.each(["cache:session:{id}", "cached:view_count", "quota-cache:{id}"])(
    "outweigh what can be fetched again: %j",
    (key) => {
      expect(ofKey(key)).toBeNull();
    },
  );

  it.each([
    ["cache:lock:{id}", "control-plane/lock"],
    ["token-cache:{tenant}", "control-plane/token"],
  ])("do not outweigh what must not be lost: %j", (key, rule) => {
    expect(ofKey(key)).toBe(rule);
  });

  it("in a key keep the function from deciding", () => {
    expect(ruleOf({ keys: ["cache:user:{id}"], scope: "TokenService.load" })).toBeNull();
  });

  it("do not count as the name of a binding", () => {
    expect(ruleOf({ keys: ["session:{id}"], bindings: ["CACHE"] })).toBe("control-plane/session");
  });
});

describe("where words stand", () => {
  it("decides by the key before the function, and by the function before the binding", () => {
    expect(ruleOf({ keys: ["lock:{id}"], scope: "Queue.claimTask", bindings: ["TOKENS"] })).toBe(
      "control-plane/lock",
    );
    expect(ruleOf({ keys: ["item:{id}"], scope: "enqueue", bindings: ["TOKENS"] })).toBe(
      "control-plane/queue",
    );
    expect(ruleOf({ keys: ["item:{id}"], bindings: ["TOKENS"] })).toBe("control-plane/token");
  });

  it("grades the confidence", () => {
    const confidenceOf = (changes: Partial<KvCall>) => readNames(sampleCall(changes))?.confidence;
    expect(confidenceOf({ keys: ["lock:{id}"] })).toBe("high");
    expect(confidenceOf({ keys: ["item:{id}"], scope: "acquireLock" })).toBe("medium");
    expect(confidenceOf({ keys: ["{key}"], file: "src/lock.ts" })).toBe("low");
  });

  it("asks callers, the file and the code only when nothing is known of the key", () => {
    const far: readonly Partial<KvCall>[] = [
      { file: "src/task-queue.ts" },
      { paths: [samplePath("request", { via: ["fetch", "withLock", "save"] })] },
      { code: "env.KV.put(lockKey, owner)" },
    ];
    for (const changes of far) {
      expect(ruleOf({ ...changes, keys: ["page:{id}"] })).toBeNull();
      expect(ruleOf({ ...changes, keys: ["{…}"] })).not.toBeNull();
      expect(ruleOf({ ...changes, keys: [] })).not.toBeNull();
    }
  });

  it("takes no names from folders, handlers and values", () => {
    expect(ruleOf({ keys: [], file: "locks/save.ts" })).toBeNull();
    expect(ruleOf({ keys: [], paths: [samplePath("queue")] })).toBeNull();
    expect(ruleOf({ keys: [], code: "env.KV.put(id, JSON.stringify({ token, count }))" })).toBeNull();
  });

  it("takes no cursor from the options of a list", () => {
    expect(ruleOf({ operation: "list", keys: [], code: "env.KV.list({ cursor })" })).toBeNull();
  });

  it("takes common verbs and nouns only from keys and bindings", () => {
    for (const scope of ["runDailyJob", "scheduledTask", "getUserCount", "fetchWithRetry", "attemptFetch"]) {
      expect(ruleOf({ scope })).toBeNull();
    }
  });

  it("counts a limiter as a limiter, wherever that is said, even if its key counts", () => {
    expect(ruleOf({ keys: ["count:{ip}"], scope: "RateLimiter.check" })).toBe("high-frequency/limiter");
    expect(ruleOf({ keys: ["count:{ip}"], file: "src/rate-limiter.ts" })).toBe("high-frequency/limiter");
    expect(ruleOf({ keys: ["lock:{ip}"], scope: "RateLimiter.check" })).toBe("control-plane/lock");
  });

  it("says what it saw", () => {
    expect(readNames(sampleCall({ keys: ["queue:lease:{id}"] }))?.seen).toBe(
      "the key `queue:lease:` says “queue lease”",
    );
  });
});

describe("the table of rules", () => {
  it("names each rule once, and only rules that there are", () => {
    const ids = NAME_RULES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(NAME_RULES.flatMap(({ yieldsTo }) => yieldsTo ?? []).filter((id) => !ids.includes(id))).toEqual(
      [],
    );
  });

  it("gives each rule a category of its name, words in lower case and an advice of sentences", () => {
    for (const { id, category, phrases, nounPhrases = [], advice } of NAME_RULES) {
      expect(id).toMatch(category === "A" ? /^control-plane\// : /^high-frequency\//);
      for (const phrase of [...phrases, ...nounPhrases]) expect(phrase).toMatch(/^[a-z]+(?: [a-z]+)*$/);
      expect(advice).toMatch(/^[A-Z].*\.$/);
    }
  });
});
