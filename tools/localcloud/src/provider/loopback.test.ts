import { describe, expect, test } from "vitest";
import { NotLoopbackError, requireLoopback } from "./loopback.ts";

describe("the base URL of the stand-in provider", () => {
  test.each([
    "http://127.0.0.1:8787/client/v4",
    "http://127.8.8.8:1/client/v4",
    "http://localhost:8787/client/v4",
    "http://[::1]:8787/client/v4",
  ])("may be %s", (url) => {
    expect(requireLoopback(url).href).toBe(url);
  });

  test.each([
    ["https://api.cloudflare.com/client/v4", "a real API"],
    ["http://10.0.0.1:8787", "another machine"],
    ["http://127.0.0.1.example.com/", "a name that begins like an address"],
    ["http://localhost.example.com/", "a name that begins like localhost"],
    ["http://127.0.0.1@example.com/", "an address as a user name"],
    ["file:///etc/passwd", "no HTTP"],
    ["127.0.0.1:8787", "no URL"],
  ])("may not be %s: %s", (url) => {
    expect(() => requireLoopback(url)).toThrow(NotLoopbackError);
  });

  test.each([undefined, ""])("must be given (%j is not), since the SDK's default is the real API", (url) => {
    expect(() => requireLoopback(url)).toThrow(/needs CLOUDFLARE_BASE_URL/);
  });
});
