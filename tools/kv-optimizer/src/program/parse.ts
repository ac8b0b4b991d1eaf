/** From text to a bound file. */
import { parseSync, type ParseResult, type ParserOptions, rawTransferSupported } from "oxc-parser";
import { Binder } from "./bind.ts";
import { docTypedefOf, startsOfLines } from "./comments.ts";
import { refuseDepth } from "./depth.ts";
import { mayHoldJsx } from "./jsx-text.ts";
import { Scope, type SourceFile } from "./model.ts";
import { DepthError } from "./nesting.ts";
import { parseDeclarations } from "./type-text.ts";

/** A file that cannot be understood; the message says why, in a sentence without the file's name. */
export class ParseError extends Error {
  override readonly name = "ParseError";
}

const LANGUAGES: readonly (readonly [RegExp, "js" | "jsx" | "ts" | "tsx" | "dts"])[] = [
  [/\.d\.[cm]?ts$/, "dts"],
  [/\.tsx$/, "tsx"],
  [/\.[cm]?ts$/, "ts"],
  // JSX is a superset of what these hold.
  [/\.[cm]?jsx?$/, "jsx"],
];

const MODULE_SYNTAX: ReadonlySet<string> = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportDefaultDeclaration",
  "ExportAllDeclaration",
  "TSExportAssignment",
]);

/** Whether the tree can be taken from the parser's memory instead of as JSON, which is several times faster. */
let transfers = rawTransferSupported();

/** Parses by the fastest way there is: the transfer wants gigabytes of address space, which not every place grants. */
function parseText(path: string, text: string, options: ParserOptions): ParseResult {
  if (transfers) {
    const transferred: ParserOptions & { readonly experimentalRawTransfer: true } = {
      ...options,
      experimentalRawTransfer: true,
    };
    try {
      return parseSync(path, text, transferred);
    } catch {
      transfers = false;
    }
  }
  return parseSync(path, text, options);
}

/**
 * Parses and binds one file.
 * @throws {ParseError} on a syntax error, or what is nested too deeply
 */
export function parseFile(path: string, text: string, typesOnly: boolean): SourceFile {
  const named = LANGUAGES.find(([ending]) => ending.test(path))?.[1] ?? "ts";
  const hasJsx = (named === "jsx" || named === "tsx") && mayHoldJsx(text);
  const lang = named === "jsx" && !hasJsx ? "js" : named;
  refuse(text, hasJsx);
  // CommonJS may `return` at the top level, and a script declares globals.
  const sourceType = /\.c[jt]s$/.test(path) ? "commonjs" : "unambiguous";
  const parsed = parseText(path, text, { lang, sourceType, astType: "ts", preserveParens: false });
  const error = parsed.errors.find(({ severity }) => severity === "Error");
  const { program } = parsed;
  if (error !== undefined && program.body.length === 0) {
    throw new ParseError(`syntax error: ${error.message}`);
  }
  const lineStarts = startsOfLines(text);
  const file: Omit<SourceFile, "root"> & { root?: Scope } = {
    path,
    text,
    typesOnly,
    comments: parsed.comments.map(({ value, start, end }) => ({ text: value, start, end })),
    functions: new Map(),
    classes: new Map(),
    calls: new Map(),
    references: new Map(),
    exports: new Map(),
    objectWrites: new Map(),
    methodNames: new Set(),
    stars: [],
    commonjs: null,
    sources: new Set(),
    isModule: program.body.some(({ type }) => MODULE_SYNTAX.has(type)),
    lineStarts,
  };
  const bound = withRoot(file);
  const binder = new Binder(bound);
  try {
    binder.visitBlock(program.body, bound.root);
  } catch (cause) {
    if (cause instanceof RangeError) throw new ParseError("it is nested too deeply to be read", { cause });
    throw cause;
  }
  declareTypedefs(bound, binder);
  binder.finish();
  return bound;
}

function refuse(text: string, hasJsx: boolean): void {
  try {
    refuseDepth(text, hasJsx);
  } catch (error) {
    throw error instanceof DepthError ? new ParseError(error.message, { cause: error }) : error;
  }
}

/** Types of JSDoc comments, which count where they stand. */
function declareTypedefs({ comments, root }: SourceFile, binder: Binder): void {
  for (const { text } of comments) {
    const declaration = text.includes("@typedef") ? docTypedefOf(text) : null;
    if (declaration !== null) binder.visitAll(parseDeclarations(declaration), root);
  }
}

/** The root scope knows its file, and the file its root scope. */
function withRoot(file: Omit<SourceFile, "root"> & { root?: Scope }): SourceFile {
  const bound: SourceFile = Object.defineProperty(file, "root", {
    configurable: true,
    get: (): Scope => root,
  }) as SourceFile;
  const root = new Scope(bound, null, { fn: null, self: null, holdsVar: true });
  return bound;
}
