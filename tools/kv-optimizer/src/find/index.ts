/** Finds every call of a KV namespace in a tree. */
import {
  type Analysis,
  type CommentFault,
  type Confidence,
  type KvCall,
  type Loop,
  type Operation,
  OPERATIONS,
  type SourceTree,
  type Ttl,
  type Unread,
  type WorkerConfig,
} from "../model.ts";
import {
  bare,
  type CallRecord,
  keyName,
  lineOf,
  type LoopFrame,
  type Node,
  type PlacedDirective,
  Program,
  readDirectives,
  type Scope,
  type SourceFile,
} from "../program/index.ts";
import {
  argumentSite,
  Bindings,
  Exhausted,
  type KvValue,
  lifetimeOf,
  listTexts,
  textsOf,
  trailOf,
  type Spent,
  type Value,
  World,
} from "../resolve/index.ts";
import { canonicalCode } from "./canonical.ts";
import { Frontier, Spread } from "./frontier.ts";
import { countsOf, type LoopCounts, loopsOf } from "./loops.ts";
import { pathsTo } from "./paths.ts";

/** Names that say KV where nothing else is known. */
const NAMED_KV = /^(?:kv|[a-zA-Z0-9]*KV|kv[A-Z]\w*|\w+_kv|KV_\w+|\w+_KV|kvNamespace|namespace)$/;
/** Searches that lead too far are told up to this many. */
const MAX_UNREAD = 1_000;

const isOperation = (name: string | null): name is Operation =>
  OPERATIONS.some((operation) => operation === name);

interface Found {
  readonly operation: Operation;
  readonly namespaces: readonly KvValue[];
  readonly arguments: readonly Node[];
  /** The name of the method, by which a call is placed. */
  readonly at: Node;
}

/**
 * Finds the calls, where they go, with which keys and lifetimes, and from where they are reached.
 * What cannot be read is told in `unread`; nothing of the tree is executed.
 */
export function analyze(tree: SourceTree, configs: readonly WorkerConfig[]): Analysis {
  const program = new Program(tree);
  const bindings = new Bindings(configs, program);
  const search = new Search(program, bindings);
  const calls: KvCall[] = [];
  for (const file of search.files()) calls.push(...search.calls(file));
  return {
    calls: calls.sort((a, b) =>
      a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1,
    ),
    commentFaults: search.commentFaults(),
    unread: [...tree.unread, ...program.unread, ...search.unread].sort((a, b) =>
      a.file < b.file ? -1 : a.file > b.file ? 1 : 0,
    ),
    bindings: bindings.names,
    files: program.codeFiles(),
    lines: program.lines(),
  };
}

class Search {
  readonly unread: Unread[] = [];
  readonly #frontier: Frontier;
  /** Finds namespaces, and looks only where they can be. */
  readonly #namespaces: World;
  /** Reads keys and lifetimes of what was found, wherever they come from. */
  readonly #details: World;
  /** By file and by the line of which they speak. */
  readonly #directives = new Map<string, ReadonlyMap<number, readonly PlacedDirective[]>>();
  readonly #loopDirectives = new Map<string, LoopCounts>();
  readonly #used = new Set<PlacedDirective>();
  readonly #faults: CommentFault[] = [];

  constructor(program: Program, bindings: Bindings) {
    this.#frontier = new Frontier(program, bindings.names);
    const spent: Spent = { steps: 0 };
    this.#namespaces = new World(program, bindings, spent, this.#frontier);
    // Keys and lifetimes stand in values, wherever those come from; types are asked for namespaces only.
    const anyValue = { has: (file: string) => this.#frontier.has(file), hasValues: () => true };
    this.#details = new World(program, bindings, spent, anyValue);
    for (const path of program.paths) {
      if (!program.text(path).includes("kv-optimizer:")) continue;
      const file = program.file(path);
      if (file === null || file.typesOnly) continue;
      const { directives, faults } = readDirectives(path, file.text, file.comments, file.lineStarts);
      this.#directives.set(
        path,
        Map.groupBy(directives, ({ target }) => target),
      );
      this.#loopDirectives.set(path, countsOf(directives));
      this.#faults.push(...faults);
    }
  }

  /** The comments that are wrong, and those that speak of no call. */
  commentFaults(): readonly CommentFault[] {
    const idle = [...this.#directives].flatMap(([file, directives]) =>
      [...directives.values()]
        .flat()
        .filter((placed) => !this.#used.has(placed) && placed.directive.kind !== "loop")
        .map(({ directive, line, column }) => ({
          file,
          line,
          column,
          message: `this kv-optimizer:${directive.kind} speaks of no call of KV; remove it, or put it right before the call`,
        })),
    );
    return [...this.#faults, ...idle].sort((a, b) =>
      a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1,
    );
  }

  /** The files that namespaces get into. */
  files(): readonly SourceFile[] {
    new Spread(this.#frontier, this.#namespaces).settle();
    return this.#frontier.candidates();
  }

  /** Runs a search that may be too much. */
  #guarded<T>(search: () => T, failed: () => void): T | null {
    this.#namespaces.guard.reset();
    this.#details.guard.reset();
    try {
      return search();
    } catch (error) {
      if (!(error instanceof Exhausted) && !(error instanceof RangeError)) throw error;
      failed();
      return null;
    }
  }

  calls(file: SourceFile): readonly KvCall[] {
    const found: KvCall[] = [];
    const seen = new Set<Node>();
    const names = [...OPERATIONS, "call", "apply", ...file.methodNames];
    for (const name of names) {
      for (const record of file.calls.get(name) ?? []) {
        if (seen.has(record.node)) continue;
        seen.add(record.node);
        const call = this.#try(file, record);
        if (call !== null) found.push(call);
      }
    }
    return found;
  }

  #try(file: SourceFile, record: CallRecord): KvCall | null {
    const found = this.#within(file, record, "the call leads", () => this.#find(record));
    return found === null ? null : this.#call(file, record, found);
  }

  /** A search for something of a call; `null` when it leads too far, which is told. */
  #within<T>(file: SourceFile, { node }: CallRecord, what: string, search: () => T): T | null {
    return this.#guarded(search, () => {
      const line = lineOf(file.lineStarts, node.start);
      const told = { file: file.path, why: `${what} too far to be followed (line ${line})` };
      if (this.unread.length < MAX_UNREAD) this.unread.push(told);
    });
  }

  /** The method and the namespaces of a call; `null` of all other calls. */
  #find({ node, scope }: CallRecord): Found | null {
    if (node.type !== "CallExpression") return null;
    const callee = bare(node.callee);
    const { expressions, members } = this.#namespaces;
    if (callee.type === "MemberExpression") {
      const name = keyName(callee.property, callee.computed);
      if (isOperation(name)) {
        const values = expressions.values({ node: callee.object, scope });
        const namespaces = members.namespaces(values);
        if (namespaces.length > 0) {
          return { operation: name, namespaces, arguments: node.arguments, at: callee.property };
        }
        return this.#byName(callee.object, values, name, node.arguments, callee.property, scope);
      }
      // `kv.get.call(kv, key)`
      if (name !== "call" && name !== "apply") return null;
      const methods = methodsOf(expressions.values({ node: callee.object, scope }));
      const [first] = methods;
      if (first === undefined) return null;
      const given = name === "call" ? node.arguments.slice(1) : appliedArguments(node.arguments[1]);
      return {
        operation: first.operation,
        namespaces: methods.map(({ kv }) => kv),
        arguments: given,
        at: callee.property,
      };
    }
    const methods = methodsOf(expressions.values({ node: callee, scope }));
    const [first] = methods;
    if (first === undefined) return null;
    return {
      operation: first.operation,
      namespaces: methods.map(({ kv }) => kv),
      arguments: node.arguments,
      at: callee,
    };
  }

  /** A parameter that is called like a namespace, and of which nothing else is known. */
  #byName(
    object: Node,
    values: readonly Value[],
    operation: Operation,
    given: readonly Node[],
    at: Node,
    scope: Scope,
  ): Found | null {
    const receiver = bare(object);
    if (
      values.some(({ kind }) => kind !== "foreign") ||
      receiver.type !== "Identifier" ||
      !NAMED_KV.test(receiver.name)
    ) {
      return null;
    }
    const declared = scope.lookup(receiver.name);
    if (declared?.kind !== "value" || declared.origin.kind !== "parameter" || declared.annotation !== null) {
      return null;
    }
    // Deno KV has lists of parts for keys.
    const [key] = given;
    if (key !== undefined && bare(key).type === "ArrayExpression" && operation !== "get") return null;
    const text = `a parameter named ${receiver.name}, of which nothing else is known`;
    const named: KvValue = { kind: "kv", binding: null, inferred: true, trail: { text, before: null } };
    return { operation, namespaces: [named], arguments: given, at };
  }

  #call(file: SourceFile, record: CallRecord, found: Found): KvCall {
    const { node, scope, loops } = record;
    const { operation, namespaces, at } = found;
    const world = this.#details;
    const line = lineOf(file.lineStarts, at.start);
    const [first] = found.arguments;
    const key = first === undefined || first.type === "SpreadElement" ? null : first;
    const part = <T>(what: string, search: () => T): T | null => this.#within(file, record, what, search);
    const isRead = operation === "get" || operation === "getWithMetadata";
    const bulk = isRead && key !== null && part("the key leads", () => isList(key, world, scope)) === true;
    const loopsHere = (at: LoopFrame | null): readonly Loop[] =>
      loopsOf(at, world, (path) => this.#loopDirectives.get(path));
    const lifetime = (): Ttl => lifetimeOf(world, thirdArgument(found, record), record);
    const spoken = this.#spokenOf(file, record, line);
    const ignored = spoken.find(({ directive }) => directive.kind === "ignore")?.directive;
    const rate = spoken.find(({ directive }) => directive.kind === "rate")?.directive;
    const names = namespaces.map(({ binding }) => binding).filter((name) => name !== null);
    return {
      file: file.path,
      line,
      column: at.start - (file.lineStarts[line - 1] ?? 0) + 1,
      operation,
      bulk,
      bindings: [...new Set(names)].sort(),
      scope: scope.fn === null ? "<module>" : scope.fn.label || "<anonymous>",
      code: canonicalCode(node, file.text),
      keys: part("the key leads", () => keysOf(operation, key, bulk, scope, world)) ?? ["{}"],
      ttl: operation === "put" ? (part("the options lead", lifetime) ?? LOST) : null,
      resolution: [...(namespaces[0] === undefined ? [] : trailOf(namespaces[0]))],
      confidence: confidenceOf(namespaces),
      paths: part("the ways to the call lead", () => pathsTo(scope, loops, world, loopsHere)) ?? [],
      loops: part("the loop leads", () => loopsHere(loops)) ?? [],
      ratePerDay: rate?.kind === "rate" ? rate.perDay : null,
      ignored: ignored?.kind === "ignore" ? ignored.reason : null,
    };
  }

  /** The comments of ours that speak of a call: of a line that it covers, or of the statement that holds it. */
  #spokenOf(file: SourceFile, { node, statement }: CallRecord, line: number): readonly PlacedDirective[] {
    const byTarget = this.#directives.get(file.path);
    if (byTarget === undefined) return [];
    const lines = new Set([line, lineOf(file.lineStarts, Math.min(node.start, statement))]);
    const last = lineOf(file.lineStarts, node.end);
    for (let at = lineOf(file.lineStarts, node.start); at <= last; at += 1) lines.add(at);
    const spoken = [...lines].sort((a, b) => a - b).flatMap((at) => byTarget.get(at) ?? []);
    for (const placed of spoken) this.#used.add(placed);
    return spoken;
  }
}

const LOST: Ttl = { verdict: "unknown", why: "its options lead too far to be followed" };

const methodsOf = (values: readonly Value[]): readonly Extract<Value, { kind: "method" }>[] =>
  values.filter((value) => value.kind === "method");

function appliedArguments(list: Node | undefined): readonly Node[] {
  const node = list === undefined ? null : bare(list);
  return node?.type === "ArrayExpression" ? node.elements.filter((element) => element !== null) : [];
}

function thirdArgument(found: Found, { node, scope }: CallRecord): ReturnType<typeof argumentSite> {
  if (found.arguments === node.arguments) return argumentSite(node, 2, scope);
  const third = found.arguments[2];
  return third === undefined ? null : { node: third, scope };
}

function isList(key: Node, world: World, scope: Scope): boolean {
  if (bare(key).type === "ArrayExpression") return true;
  return world.expressions.values({ node: key, scope }).some(({ kind }) => kind === "many");
}

/** Patterns of the key, of the keys, or of the prefix that is listed. */
function keysOf(
  operation: Operation,
  key: Node | null,
  bulk: boolean,
  scope: Scope,
  world: World,
): readonly string[] {
  if (key === null) return [];
  if (operation === "list") {
    const prefixes = world.expressions
      .values({ node: key, scope })
      .flatMap((value) => (value.kind === "object" ? world.members.propertySites(value.site, "prefix") : []));
    return [...new Set(prefixes.flatMap((site) => textsOf(world, site)))].sort();
  }
  if (bulk) return listTexts(world, { node: key, scope }) ?? [];
  return textsOf(world, { node: key, scope });
}

function confidenceOf(namespaces: readonly KvValue[]): Confidence {
  if (namespaces.some(({ inferred }) => !inferred)) return "high";
  return namespaces.some(({ binding }) => binding !== null) ? "medium" : "low";
}
