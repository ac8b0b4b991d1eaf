/**
 * Names for calls that survive what does not change them: moving the file,
 * reformatting, comments, other calls coming and going around them.
 */
import { createHash } from "node:crypto";
import { parseSync, type CallExpression, type Expression } from "oxc-parser";
import type { KvCall, Ttl } from "../model.ts";

const ID_DIGITS = 16;
const OPTIONS_ARGUMENT = 2;

/** The worst first, so that of equal calls the names of the worst stay when one gets better. */
const TTL_ORDER: Readonly<Record<Ttl["verdict"], number>> = { no: 0, unknown: 1, yes: 2 };

/** A call may stand under `await`, in parentheses or in an optional chain. */
function callIn(node: Expression): CallExpression | null {
  switch (node.type) {
    case "CallExpression":
      return node;
    case "AwaitExpression":
      return callIn(node.argument);
    case "ParenthesizedExpression":
    case "ChainExpression":
      return callIn(node.expression);
    default:
      return null;
  }
}

/**
 * A put without its options: a put that loses its TTL is the same call, and got
 * worse. Code that is no expression stays whole.
 */
function withoutOptions(code: string): string {
  const { program, errors } = parseSync("call.ts", code);
  const [statement] = program.body;
  if (errors.length > 0 || statement?.type !== "ExpressionStatement") return code;
  const options = callIn(statement.expression)?.arguments?.[OPTIONS_ARGUMENT];
  return options === undefined ? code : code.slice(0, options.start).replace(/,\s*$/, ")");
}

function contentOf(call: KvCall): string {
  const code = call.operation === "put" ? withoutOptions(call.code) : call.code;
  return JSON.stringify([call.operation, call.bulk, call.bindings, call.keys, call.scope, code]);
}

function digest(content: string, number: number): string {
  return createHash("sha256").update(`${number}\n${content}`).digest("hex").slice(0, ID_DIGITS);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function amongEquals(a: KvCall, b: KvCall): number {
  return (
    Number(a.ignored !== null) - Number(b.ignored !== null) ||
    TTL_ORDER[a.ttl?.verdict ?? "yes"] - TTL_ORDER[b.ttl?.verdict ?? "yes"] ||
    compareText(a.file, b.file) ||
    a.line - b.line ||
    a.column - b.column
  );
}

/**
 * The id of each call: 16 hexadecimal digits of the SHA-256 of its operation,
 * bindings, key patterns, scope and code. Neither its place nor its TTL is part of
 * it. Calls with the same content are numbered: those that are ignored last, those
 * without a TTL first, else by place. The order of `calls` has no influence.
 */
export function fingerprints(calls: readonly KvCall[]): ReadonlyMap<KvCall, string> {
  const equals = new Map<string, KvCall[]>();
  for (const call of calls) {
    const content = contentOf(call);
    const group = equals.get(content);
    if (group === undefined) equals.set(content, [call]);
    else group.push(call);
  }
  const ids = new Map<KvCall, string>();
  for (const [content, group] of equals) {
    for (const [number, call] of group.sort(amongEquals).entries()) ids.set(call, digest(content, number));
  }
  return ids;
}
