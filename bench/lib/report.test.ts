import { describe, expect, it } from "vitest";
import { replaceBetween } from "./document.ts";
import { markdownReport, markdownTable } from "./report.ts";

describe("a report", () => {
  it("is a table whose numbers stand to the right", () => {
    const table = markdownTable({
      columns: ["way", "records/s"],
      rows: [
        ["ours", "1,200"],
        ["theirs", "80"],
      ],
    });
    expect(table.split("\n")).toEqual([
      "| way    | records/s |",
      "| ------ | --------: |",
      "| ours   |     1,200 |",
      "| theirs |        80 |",
    ]);
  });

  it("says which goals were not reached, and on which machine", () => {
    const goals = [{ promise: "twice as fast", found: "1.10×", reached: false }];
    const text = markdownReport({ sections: [], remarks: ["no Python"], goals }, "a machine");
    expect(text).toBe("- **NOT reached**: twice as fast; found 1.10×\n\n- no Python\n\n_a machine_");
  });
});

describe("the document", () => {
  const text = "before\n<!-- bench:size -->\nold\n<!-- /bench:size -->\nafter";

  it("has what stands between a bench's markers replaced, and nothing else", () => {
    expect(replaceBetween(text, "size", "new")).toBe(
      "before\n<!-- bench:size -->\nnew\n<!-- /bench:size -->\nafter",
    );
  });

  it("is not changed for a bench that it does not know", () => {
    expect(() => replaceBetween(text, "speed", "new")).toThrow("no <!-- bench:speed -->");
  });
});
