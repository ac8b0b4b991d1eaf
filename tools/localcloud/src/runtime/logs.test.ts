import { describe, expect, it } from "vitest";
import { logLines } from "./logs.ts";

describe("the lines of a worker's log", () => {
  it("carry the script's name, and the level of warnings and errors", () => {
    const report = [
      {
        logs: [
          { level: "log", message: ["stored", { rows: 2 }] },
          { level: "warn", message: ["slow"] },
        ],
        exceptions: [],
      },
    ];
    expect(logLines("hub", report)).toEqual(["hub: stored { rows: 2 }", "hub: warn: slow"]);
  });

  it("are single, whatever was logged", () => {
    expect(logLines("hub", [{ logs: [{ level: "log", message: ["a\n  b\n"] }], exceptions: [] }])).toEqual([
      "hub: a b",
    ]);
  });

  it("tell an uncaught error and where it was thrown", () => {
    const exception = { name: "TypeError", message: "no", stack: "    at fetch (index.js:3:5)\n    at x" };
    expect(logLines("hub", [{ logs: [], exceptions: [exception] }])).toEqual([
      "hub: uncaught TypeError: no at fetch (index.js:3:5)",
    ]);
  });
});
