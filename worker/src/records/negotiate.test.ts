import { describe, expect, it } from "vitest";
import { negotiate, READ_TYPES } from "./negotiate.ts";

describe("negotiate", () => {
  it.each([
    [undefined, "application/json"],
    ["", "application/json"],
    [",", "application/json"],
    ["*/*", "application/json"],
    ["*", "application/json"],
    ["application/*", "application/json"],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"],
    ["application/json, text/plain, */*", "application/json"],
    ["application/x-ndjson", "application/x-ndjson"],
    ["Application/X-NDJSON", "application/x-ndjson"],
    ["application/jsonl", "application/jsonl"],
    ["avro/*", "avro/binary"],
    ["application/avro; q=0.5, application/json; q=0.4", "application/avro"],
    ["application/x-ndjson, */*", "application/x-ndjson"],
    ["application/json;q=0, */*", "application/x-ndjson"],
    ["application/avro;q=0.1, application/*;q=0.9", "application/json"],
    ["application/json;profile=x", "application/json"],
  ])("answers %j as %s", (accept, type) => {
    expect(negotiate(accept)?.type).toBe(type);
  });

  it.each(["text/html", "application/xml", "application/json;q=0", "*/*;q=0", "text/*;q=1, image/png"])(
    "has nothing for %j",
    (accept) => {
      expect(negotiate(accept)).toBeNull();
    },
  );

  it("gives every type that it lists", () => {
    for (const type of READ_TYPES) expect(negotiate(type)?.type).toBe(type);
  });
});
