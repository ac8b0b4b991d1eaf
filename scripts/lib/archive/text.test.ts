import { describe, expect, it } from "vitest";
import { bytes, count, printable, table } from "./text.ts";

describe("figures", () => {
  it.each([
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1_000, "1.00 kB"],
    [65_536, "65.54 kB"],
    [4_194_304, "4.19 MB"],
    [2 ** 53, "9007.20 TB"],
  ])("%i bytes are %s", (value, text) => {
    expect(bytes(value)).toBe(text);
  });

  it("have their thousands marked", () => {
    expect(count(1_234_567)).toBe("1,234,567");
  });
});

describe("a table", () => {
  it("lines its columns up and ends no line with blanks", () => {
    expect(
      table([
        ["a", "bbb", "c"],
        ["aaaa", "b", "cc"],
      ]),
    ).toEqual(["a     bbb  c", "aaaa  b    cc"]);
  });
});

describe("text from elsewhere", () => {
  it("cannot move the cursor, break a line or hide itself", () => {
    expect(printable("a\nb\u001b[2J\u202ec")).toBe("a b\\u001b[2J\\u202ec");
  });
});
