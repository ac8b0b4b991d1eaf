import { describe, expect, it } from "vitest";
import { readReport } from "./kv-auditors.ts";
import { kvRepository } from "./kv-repository.ts";

const LINES = 100_000;
const repository = await kvRepository(7, LINES);

describe("a made-up repository", () => {
  it("has the lines that were asked for, and little more", () => {
    expect(repository.lines).toBeGreaterThanOrEqual(LINES);
    expect(repository.lines).toBeLessThan(LINES + 5_000);
  });

  it("is the same for the same seed, and another one for another", async () => {
    expect((await kvRepository(7, LINES)).files).toEqual(repository.files);
    expect((await kvRepository(8, LINES)).files).not.toEqual(repository.files);
  });

  it("has each true call where the truth says, and no marks and words left", () => {
    const wrong = repository.truth.filter(({ file, line, operation }) => {
      const text = repository.files.get(file)?.split("\n")[line - 1] ?? "";
      return !new RegExp(`\\.${operation}[<(]`).test(text);
    });
    expect(wrong).toEqual([]);
    const left = /\/\*kv:|\/\/#|_(?:Entity|Domain|First|field|table|BINDING|number|memo)_/;
    expect([...repository.files].filter(([, text]) => left.test(text)).map(([file]) => file)).toEqual([]);
  });

  it("has calls of every operation, and puts with and without a time to live", () => {
    expect(new Set(repository.truth.map(({ operation }) => operation))).toEqual(
      new Set(["get", "getWithMetadata", "put", "delete", "list"]),
    );
    expect(new Set(repository.truth.map(({ ttl }) => ttl))).toEqual(new Set([null, true, false]));
  });

  it("cannot be larger than its words suffice for", async () => {
    await expect(kvRepository(7, 10_000_000)).rejects.toThrow("words for");
  });
});

describe("a report of kv-optimizer", () => {
  it("is read without what it is not sure of", () => {
    const finding = (operation: string, verdict: string | null) => ({
      file: "src/a.ts",
      line: 3,
      operation,
      ttl: verdict === null ? null : { verdict, why: "" },
    });
    const findings = [
      finding("get", null),
      finding("put", "unknown"),
      finding("put", "yes"),
      finding("put", "no"),
    ];
    expect(readReport(JSON.stringify({ findings })).map(({ ttl }) => ttl)).toEqual([null, null, true, false]);
  });
});
