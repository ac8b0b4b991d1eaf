import { type ParseError, parse as parseJsonc, printParseErrorCode } from "jsonc-parser";
import { TomlError, parse as parseToml } from "smol-toml";

export type Table = Readonly<Record<string, unknown>>;

/** What could be understood of a document, and what was wrong with it. */
export interface Document {
  readonly value: unknown;
  /** A sentence each, with the line. */
  readonly faults: readonly string[];
}

/** Whether a value of a document is a table (of JSON, an object). */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const MAX_FAULTS = 10;

/** Reads JSON with comments and trailing commas. Where it is malformed, the rest is still used. */
export function readJson(text: string): Document {
  const errors: ParseError[] = [];
  try {
    const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true });
    const faults = errors
      .slice(0, MAX_FAULTS)
      .map(({ error, offset }) => `Line ${lineOf(text, offset)}: ${jsonReason(printParseErrorCode(error))}.`);
    return { value, faults };
  } catch (error) {
    if (error instanceof RangeError) return { value: undefined, faults: ["It is nested too deeply."] };
    throw error;
  }
}

/**
 * Reads TOML. A line that is malformed is blanked and told, and the rest is read again;
 * when that does not help, what stands before it is used.
 */
export function readToml(text: string): Document {
  const lines = text.split("\n");
  const faults: string[] = [];
  for (;;) {
    try {
      return { value: parseToml(lines.join("\n")), faults };
    } catch (error) {
      if (error instanceof RangeError) return { value: undefined, faults: ["It is nested too deeply."] };
      if (!(error instanceof TomlError)) throw error;
      const at = Math.min(Math.max(error.line, 1), lines.length) - 1;
      const isNew = lines[at]?.trim() !== "";
      if (isNew && faults.length < MAX_FAULTS) {
        faults.push(`Line ${at + 1}: ${tomlReason(error)}.`);
        lines[at] = "";
      } else {
        const before = lastWritten(lines, at);
        if (before === -1) return { value: {}, faults };
        lines.length = before;
      }
    }
  }
}

function lastWritten(lines: readonly string[], from: number): number {
  for (let line = from; line >= 0; line--) if (lines[line]?.trim() !== "") return line;
  return -1;
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** `CommaExpected` as “comma expected”. */
function jsonReason(code: string): string {
  return code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}

function tomlReason(error: TomlError): string {
  const [first = error.message] = error.message.split("\n");
  return first.replace(/^Invalid TOML document: /, "").trim();
}
