/** What an expression may be, as far as following KV namespaces asks for it. */
import type { Operation } from "../model.ts";
import type { ClassInfo, FunctionInfo, Site, SourceFile } from "../program/index.ts";

/** How a namespace came here, the last step first. */
export interface Trail {
  readonly text: string;
  readonly before: Trail | null;
}

export interface KvValue {
  readonly kind: "kv";
  /** `null`: only its type is known. */
  readonly binding: string | null;
  /** Whether a step was a guess, if a good one. */
  readonly inferred: boolean;
  readonly trail: Trail | null;
}

/** What the parameters of a generic type stand for, by name. */
export type TypeArguments = ReadonlyMap<string, readonly Value[]>;
export const NO_ARGUMENTS: TypeArguments = new Map();

export type Value =
  | KvValue
  /** The bindings of a Worker. */
  | { readonly kind: "env" }
  | { readonly kind: "class"; readonly info: ClassInfo }
  | { readonly kind: "instance"; readonly info: ClassInfo; readonly types: TypeArguments }
  | { readonly kind: "function"; readonly info: FunctionInfo }
  /** `kv.get`, not called yet. */
  | { readonly kind: "method"; readonly operation: Operation; readonly kv: KvValue }
  /** An object that is written out. */
  | { readonly kind: "object"; readonly site: Site }
  | { readonly kind: "module"; readonly file: SourceFile }
  | { readonly kind: "enum"; readonly site: Site }
  /** Something of a structural type: the interfaces or type literals, and what their parameters stand for. */
  | {
      readonly kind: "shape";
      readonly name: string;
      readonly sites: readonly Site[];
      readonly types: TypeArguments;
      readonly flow?: Flow;
      readonly far?: number;
    }
  /** A function of which only the type is known. */
  | {
      readonly kind: "signature";
      readonly result: Site | null;
      readonly types: TypeArguments;
      readonly flow?: Flow;
      readonly far?: number;
    }
  /** A list, set, map or record, by what it holds. */
  | {
      readonly kind: "many";
      readonly of: readonly Value[];
      /** A map: its elements are pairs. */
      readonly keyed?: boolean;
      /** A record with just these keys. */
      readonly names?: readonly string[];
      /** A list that is written out: what stands at each place. */
      readonly items?: readonly (readonly Value[])[];
    }
  /** A name that a mapped type runs through. */
  | { readonly kind: "key"; readonly text: string }
  /** Pairs of a key and a value. */
  | { readonly kind: "pairs"; readonly of: readonly Value[] }
  /** A request context of a router: its bindings and variables. */
  | { readonly kind: "context"; readonly bindings: readonly Value[]; readonly variables: readonly Value[] }
  /** Something of a package, of which nothing is known. */
  | { readonly kind: "foreign" }
  /** Certainly no namespace. */
  | { readonly kind: "other" };

/** What really flows in where only a type is known; asked for when the type alone does not tell which namespace it is. */
export type Flow = () => readonly Value[];

export const OTHER: Value = { kind: "other" };
export const ENV: Value = { kind: "env" };
export const FOREIGN: Value = { kind: "foreign" };

const sameList = (a: readonly Value[], b: readonly Value[]): boolean =>
  a.length === b.length && a.every((value, index) => same(value, b[index] ?? OTHER));

/** What was read from something else under the same type counts as one: else recursive types never end. */
const sameFlow = (
  a: { readonly flow?: Flow; readonly far?: number },
  b: { readonly flow?: Flow; readonly far?: number },
): boolean => a.flow === b.flow || ((a.far ?? 0) > 0 && (b.far ?? 0) > 0);

/** Whether two values are the same thing; how they came here does not count. */
export function same(a: Value, b: Value): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case "kv":
      return b.kind === "kv" && a.binding === b.binding;
    case "env":
    case "foreign":
    case "other":
      return a.kind === b.kind;
    case "class":
    case "instance":
    case "function":
      return a.kind === b.kind && a.info === b.info;
    case "method":
      return b.kind === "method" && a.operation === b.operation && same(a.kv, b.kv);
    case "object":
    case "enum":
      return a.kind === b.kind && a.site.node === b.site.node;
    case "module":
      return b.kind === "module" && a.file === b.file;
    case "shape":
      return (
        b.kind === "shape" && a.sites[0]?.node === b.sites[0]?.node && a.types === b.types && sameFlow(a, b)
      );
    case "signature":
      return b.kind === "signature" && a.result?.node === b.result?.node && sameFlow(a, b);
    case "many":
    case "pairs":
      return a.kind === b.kind && sameList(a.of, b.of);
    case "key":
      return b.kind === "key" && a.text === b.text;
    case "context":
      return b.kind === "context" && sameList(a.bindings, b.bindings) && sameList(a.variables, b.variables);
    default:
      return a satisfies never;
  }
}

/** More than this many things are no help to anybody. */
const MAX_VALUES = 64;

/** All of them, each once. */
export function union(...lists: readonly (readonly Value[])[]): readonly Value[] {
  const filled = lists.filter((list) => list.length > 0);
  const [only] = filled;
  if (only === undefined) return [];
  if (filled.length === 1) return only;
  const all: Value[] = [];
  for (const list of filled) {
    for (const value of list) {
      if (all.length < MAX_VALUES && !all.some((known) => same(known, value))) all.push(value);
    }
  }
  return all;
}

const MAX_TRAIL = 12;

/** Behind each type, what flows in: for those who ask for what is written, not for what may be. */
export function behindTypes(values: readonly Value[]): readonly Value[] {
  return values.flatMap((value) => {
    if (value.kind !== "shape" || value.flow === undefined) return [value];
    const flow = value.flow();
    return flow.length === 0 ? [value] : flow.filter(({ kind }) => kind !== "shape");
  });
}

/** The same values, with one more step on the way of the namespaces. */
export function stepped(values: readonly Value[], text: () => string): readonly Value[] {
  if (!values.some(({ kind }) => kind === "kv")) return values;
  const step = text();
  return values.map((value) => {
    if (value.kind !== "kv" || value.trail?.text === step || trailOf(value).length >= MAX_TRAIL) return value;
    return { ...value, trail: { text: step, before: value.trail } };
  });
}

/** From where it began. */
export function trailOf({ trail }: KvValue): readonly string[] {
  const steps: string[] = [];
  for (let at = trail; at !== null; at = at.before) steps.push(at.text);
  return steps.toReversed();
}

const isNameless = (value: Value): boolean =>
  (value.kind === "kv" && value.binding === null) || (value.kind === "many" && value.of.some(isNameless));
/** Neither a namespace nor something that is surely none. */
const isOpen = ({ kind }: Value): boolean => kind !== "kv" && kind !== "other" && kind !== "foreign";

/** The same value, with what really flows in, for itself or for what it holds. */
function withFlow(value: Value, flow: Flow, far: number): Value {
  if ((value.kind === "shape" || value.kind === "signature") && value.flow === undefined) {
    return { ...value, flow, far };
  }
  if (value.kind !== "many" || !value.of.some(({ kind }) => kind === "shape" || kind === "signature")) {
    return value;
  }
  const held: Flow = () =>
    flow().flatMap((from) => (from.kind === "many" || from.kind === "pairs" ? from.of : []));
  return { ...value, of: value.of.map((item) => withFlow(item, held, far)) };
}

/**
 * What a name is, by its type and by what flows into it. A type says what a value is, the flow says
 * which one: of a parameter `kv: KVNamespace`, the bindings that callers hand over. The flow is asked
 * for only where the type leaves that open.
 * @param far properties that were read on the way from where something flows in
 */
export function merged(typed: readonly Value[], flowing: Flow, far = 0): readonly Value[] {
  if (typed.length === 0) return flowing();
  if (!typed.some(isNameless)) {
    if (typed.every(({ kind }) => kind === "other" || kind === "foreign")) return typed;
    return typed.map((value) => withFlow(value, flowing, far));
  }
  const flow = flowing();
  // A union of which something else flows in here.
  if (
    typed.some((value) => isOpen(value) && !isNameless(value)) &&
    flow.some(isOpen) &&
    !flow.some(({ kind }) => kind === "kv")
  ) {
    return flow;
  }
  const named = flow.filter((value) => ["kv", "many", "object"].includes(value.kind) && !isNameless(value));
  return named.length === 0
    ? typed
    : union(
        typed.filter((value) => !isNameless(value)),
        named,
      );
}
