import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  ADMIN_TOKEN,
  API_KEY,
  asAdmin,
  json,
  captureLogs,
  testHub,
  withKey,
  type ProblemDocument,
} from "../test/hub.ts";
import type { Env } from "./env.generated.ts";
import worker from "./index.ts";

const logLines = captureLogs();

describe("the Worker", () => {
  it("answers over its entry module", async () => {
    const context = createExecutionContext();
    const response = await worker.fetch(new Request("https://hub.example/"), env, context);
    await waitOnExecutionContext(context);
    expect(response.status).toBe(200);
  });
});

describe("every answer", () => {
  it("carries the headers that keep a browser safe", async () => {
    for (const path of ["/", "/health", "/nowhere", "/tables", "/openapi.json"]) {
      const { headers } = await testHub().fetch(path);
      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("strict-transport-security")).toBe("max-age=31536000");
    }
  });

  it("carries a request id: the client's if it is one, else a new one", async () => {
    const id = async (given: string) =>
      (await testHub().fetch("/", { headers: { "x-request-id": given } })).headers.get("x-request-id");
    expect(await id("client-42")).toBe("client-42");
    expect(await id('"}{"level":"error')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id("x".repeat(256))).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("an address that does not exist", () => {
  it("is a 404 problem", async () => {
    const response = await testHub().fetch("/nowhere");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json<ProblemDocument>()).toEqual({
      type: "urn:strata:problem:not-found",
      title: "There is nothing at this address",
      status: 404,
      detail: "There is no /nowhere. GET / lists what there is.",
      request_id: response.headers.get("x-request-id"),
    });
  });
});

describe("a method that an address does not take", () => {
  it.each([
    ["DELETE", "/buffer", "POST"],
    ["POST", "/read", "GET, HEAD"],
    ["POST", "/health", "GET, HEAD"],
  ])("%s %s is a 405 problem that allows %s", async (method, path, allow) => {
    const response = await testHub().fetch(path, { method, headers: withKey });
    expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
    expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:method-not-allowed");
  });
});

describe("an unexpected failure", () => {
  const failing = () => {
    const VERSION = {
      get id(): string {
        return env.VERSION.id;
      },
      get tag(): string {
        throw new TypeError(`cannot read tag with ${ADMIN_TOKEN} and ${API_KEY}`);
      },
    };
    return testHub({ VERSION } as unknown as Partial<Env>);
  };

  it("is a 500 problem without a stack, a message or a name of what failed", async () => {
    const response = await failing().fetch("/health");
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ type: "urn:strata:problem:internal-error", status: 500 });
    expect(text).not.toMatch(/TypeError|cannot read|\.ts|at \w+/);
  });

  it("is logged with its stack and the request's id, secrets taken out", async () => {
    const response = await failing().fetch("/health");
    const id = response.headers.get("x-request-id") ?? "none";
    const line = logLines.find((text) => text.includes('"event":"failure"') && text.includes(id));
    expect(line).toContain("TypeError: cannot read tag with [secret] and [secret]");
    expect(line).toContain('"stack"');
  });
});

describe("the log", () => {
  it("has one line of JSON for a request, with what one looks for", async () => {
    const response = await testHub().fetch("/read?dataset_id=private", { headers: withKey });
    expect(logLines).toHaveLength(1);
    expect(JSON.parse(logLines[0] ?? "")).toEqual({
      level: "info",
      event: "request",
      request_id: response.headers.get("x-request-id"),
      method: "GET",
      path: "/read",
      status: 422,
      ms: 0,
      lane: "stable",
      version: env.VERSION.id,
      environment: "local",
    });
  });

  it("never holds a secret, wherever a client puts it", async () => {
    const hub = testHub();
    for (const secret of [API_KEY, ADMIN_TOKEN]) {
      await hub.fetch(`/${secret}?key=${secret}`, { headers: { "x-api-key": secret, "user-agent": secret } });
      await hub.fetch("/tables", { headers: { "x-api-key": secret } });
      await hub.fetch("/buffer", json({ dataset_id: secret, [secret]: 1 }, { "x-api-key": secret }));
      await hub.fetch("/", { headers: { ...asAdmin, "strata-lane": secret } });
      await hub.fetch("/", { headers: { "x-request-id": secret } });
    }
    expect(logLines.length).toBeGreaterThanOrEqual(10);
    const text = logLines.join("\n");
    expect(text).not.toContain(API_KEY);
    expect(text).not.toContain(ADMIN_TOKEN);
  });
});
