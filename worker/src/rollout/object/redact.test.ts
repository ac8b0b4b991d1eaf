import { describe, expect, it } from "vitest";
import { redact } from "./redact.ts";

const SETTINGS = {
  ADMIN_TOKEN: "admin-token-planted",
  NOTIFY_SLACK_URL: "https://hooks.slack.example/services/T000/B000/secretPath",
};

describe("redact", () => {
  it.each([
    ["the token admin-token-planted is wrong", "admin-token-planted"],
    ["asked https://hooks.slack.example/services/T000/B000/secretPath", "secretPath"],
    ["no answer from /services/T000/B000/secretPath", "secretPath"],
    ["Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"],
    ["bearer abcdefgh12345678.x-y", "abcdefgh12345678"],
    ["Basic YWRhOmxvdmVsYWNl", "YWRhOmxvdmVsYWNl"],
    ["api_key=planted123, password: planted456", "planted"],
    ["https://ada:planted@ci.example/run", "planted"],
    ["https://ci.example/run?key=planted#planted", "planted"],
    ["postgres://ada:planted@db.example/x?planted", "planted"],
  ])("takes the secret out of %j", (text, secret) => {
    expect(redact(text, SETTINGS)).not.toContain(secret);
  });

  it.each([
    "12 of 200 reads failed on the canary, 1 of 1800 on the stable lane",
    "the token is missing",
    "see https://ci.example/run/17",
    "p95 of /read: 340 ms against 120 ms",
  ])("leaves %j as it is", (text) => {
    expect(redact(text, SETTINGS)).toBe(text);
  });
});
