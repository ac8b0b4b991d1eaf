import { describe, expect, it } from "vitest";
import { captureLogs } from "../../test/hub.ts";
import { errorFields, log, redact } from "./log.ts";

const logLines = captureLogs();

describe("redact", () => {
  it("takes out every secret, wherever it stands", () => {
    const secrets = { ADMIN_TOKEN: "admin-token", BOOTSTRAP_API_KEY: "plain-key" };
    expect(redact("/plain-key?plain-key&admin-token", secrets)).toBe("/[secret]?[secret]&[secret]");
  });

  it("leaves a text alone when a secret is empty or not set", () => {
    expect(redact("a line", { ADMIN_TOKEN: "" })).toBe("a line");
  });
});

describe("log", () => {
  it("takes a secret out of values, also one that JSON escapes, and leaves names as they are", () => {
    log({ ADMIN_TOKEN: 'quo"te', BOOTSTRAP_API_KEY: "path" }, "info", "request", {
      path: '/path/quo"te',
      ms: 1,
    });
    expect(logLines.at(-1)).toBe('{"level":"info","event":"request","path":"/[secret]/[secret]","ms":1}');
  });
});

describe("errorFields", () => {
  it("tells the cause with the error", () => {
    const error = new TypeError("outer", { cause: new Error("inner") });
    expect(errorFields(error).error).toBe("TypeError: outer (cause: Error: inner)");
  });

  it("takes anything that can be thrown", () => {
    expect(errorFields("text")).toEqual({ error: "text" });
  });
});
