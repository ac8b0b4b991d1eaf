import { describe, expect, it } from "vitest";
import { answerKind, mixedKind } from "./answer-kind.ts";

const asking = (headers: HeadersInit = {}, query = ""): Request =>
  new Request(`https://hub.example/read${query}`, { headers });
const UNCHANGED = new Response(null, { status: 304 });

describe("answerKind", () => {
  it.each([
    [200, "application/json", "2xx application/json"],
    [202, "Application/JSON; charset=utf-8", "2xx application/json"],
    [404, "application/problem+json", "4xx application/problem+json"],
    [500, "text/html ;x=y", "5xx text/html"],
    [200, "no media type at all", "2xx other"],
    [200, `text/${"x".repeat(65)}`, "2xx other"],
    [200, "none", "2xx none"],
  ])("of %i %j is %j", (status, type, kind) => {
    const answer = new Response("x", { status, headers: { "content-type": type } });
    expect(answerKind(asking(), answer)).toBe(`any → ${kind}`);
  });

  it("says that there is no type", () => {
    expect(answerKind(asking(), UNCHANGED)).toBe("any → 3xx none");
  });

  it.each([
    ["*/*", "any"],
    ["", "any"],
    ["application/json", "json"],
    ["Application/X-NDJSON; q=0.9, */*", "ndjson"],
    ["application/jsonl", "ndjson"],
    ["avro/binary,application/json", "ocf"],
    ["text/html,application/xhtml+xml", "html"],
    ["application/vnd.my-own-42", "other"],
  ])("tells what was asked for: %j is %j", (accept, asked) => {
    expect(answerKind(asking({ accept }), UNCHANGED)).toBe(`${asked} → 3xx none`);
  });

  it("tells the query's format, which goes before the header", () => {
    const headers = { accept: "text/html" };
    expect(answerKind(asking(headers, "?format=ocf"), UNCHANGED)).toBe("ocf → 3xx none");
    expect(answerKind(asking(headers, "?format=mine"), UNCHANGED)).toBe("other → 3xx none");
  });

  it("tells a conditional request from others", () => {
    const headers = { accept: "application/json", "if-none-match": '"1"' };
    expect(answerKind(asking(headers), UNCHANGED)).toBe("json if-none-match → 3xx none");
  });
});

describe("mixedKind", () => {
  it("keeps the status class, so that failures stay failures", () => {
    expect(mixedKind("json if-none-match → 5xx text/html")).toBe("mixed → 5xx other");
  });
});
