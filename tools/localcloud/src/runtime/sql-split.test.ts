import { describe, expect, it } from "vitest";
import { splitStatements } from "./sql-split.ts";

describe("splitting SQL into statements", () => {
  it("splits at semicolons and leaves out what is empty", () => {
    expect(splitStatements(" SELECT 1 ;; select 2; \n ; ")).toEqual(["SELECT 1", "select 2"]);
  });

  it("finds nothing in comments and blanks", () => {
    expect(splitStatements(" -- nothing; here\n/* nor; here */ ;")).toEqual([]);
  });

  it("keeps semicolons within strings, quoted names and comments", () => {
    const statements = [
      `INSERT INTO t VALUES ('a;''b;', "x;""y", [z;], \`w;\`)`,
      `SELECT 1 -- one; two`,
      `SELECT /* three; four */ 2`,
    ];
    expect(splitStatements(`${statements[0]};${statements[1]}\n;${statements[2]};`)).toEqual(statements);
  });

  it("keeps the body of a trigger together, CASE … END included", () => {
    const trigger = `CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN
      UPDATE a SET n = CASE WHEN n > 1 THEN 1 ELSE 2 END;
      DELETE FROM b; -- done
    END`;
    expect(splitStatements(`${trigger};\nSELECT 1;`)).toEqual([trigger, "SELECT 1"]);
  });

  it("does not take a column named like a keyword for the end of a trigger", () => {
    const trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT NEW.end; SELECT 'end'; END";
    expect(splitStatements(`${trigger}; SELECT 2`)).toEqual([trigger, "SELECT 2"]);
  });

  it("does not need whitespace or a last semicolon", () => {
    expect(splitStatements("select'1';select(2)")).toEqual(["select'1'", "select(2)"]);
  });

  it("takes the rest as one statement when a string does not end", () => {
    expect(splitStatements("select 'open; select 2")).toEqual(["select 'open; select 2"]);
  });
});
