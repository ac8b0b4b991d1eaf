/**
 * Which files have to be read. A namespace comes into the program where its type or its binding is
 * named; those files are searched first. From there it gets into other files only if it is exported,
 * handed over, or stored under a name, so each file that was searched says which others it reaches.
 */
import {
  bare,
  type CallRecord,
  calleeName,
  MAY_CALL,
  type Node,
  type Program,
  type Scope,
  type SourceFile,
} from "../program/index.ts";
import { Exhausted, type Gate, type Value, type World } from "../resolve/index.ts";

/** Bindings that are reached by a computed name, and parameters that are called like a namespace. */
const DYNAMIC =
  /\benv\s*(?:\?\.)?\[|\bkeyof\s+[\w.]*(?:Env|Bindings)\b|\bObject\.(?:values|entries)\(\s*[\w.]*\benv\b|\bReflect\.get\(|(?:kv|KV|\bkv[A-Z]\w*|\bnamespace)\s*[?!]?\.\s*(?:get|put|delete|list|getWithMetadata)\b/;
/** More names than these are looked up word by word. */
const MAX_ALTERNATIVES = 500;
const MAX_CARRY_DEPTH = 3;

/** Rounds in which files may reach others; each adds files, and so few rounds were ever needed. */
const MAX_ROUNDS = 12;

export class Frontier implements Gate {
  readonly #program: Program;
  readonly #reached = new Set<string>();
  #known: ReadonlySet<string> = new Set();
  #valued: ReadonlySet<string> = new Set();

  constructor(program: Program, names: readonly string[]) {
    this.#program = program;
    const isSeed = seedOf(["KVNamespace", ...names]);
    for (const file of program.paths) if (isSeed(program.text(file))) this.#reached.add(file);
    this.widen();
  }

  /** Whether a type of a file can lead to a namespace: it is reached, or depends on one that is. */
  has(file: string): boolean {
    return this.#known.has(file);
  }

  /** The same of values, for which it must not be types alone that the file depends on. */
  hasValues(file: string): boolean {
    return this.#valued.has(file);
  }

  /** Reached files in which a method of KV may be called. */
  candidates(): readonly SourceFile[] {
    return [...this.#reached]
      .filter((file) => MAY_CALL.test(this.#program.text(file)))
      .sort()
      .map((file) => this.#program.file(file))
      .filter((file) => file !== null)
      .filter(({ typesOnly }) => !typesOnly);
  }

  get reached(): ReadonlySet<string> {
    return this.#reached;
  }

  reach(file: string): void {
    this.#reached.add(file);
  }

  /** Lets in what depends on files that were reached meanwhile. */
  widen(): void {
    this.#known = this.#program.dependents(this.#reached);
    const valued = [...this.#reached].filter((file) => !isTypesAlone(this.#program.text(file)));
    this.#valued = this.#program.dependents(valued);
  }
}

/** Whether a module exports types and nothing that runs. */
function isTypesAlone(text: string): boolean {
  return /^export\b/m.test(text) && !/^\s*export\b(?!\s+(?:type|interface)\b)/m.test(text);
}

/** Tells whether a text holds one of some names as a word, or what may stand for one, and not in a comment alone. */
function seedOf(names: readonly string[]): (text: string) => boolean {
  if (names.length <= MAX_ALTERNATIVES) {
    const escaped = names.map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
    const named = new RegExp(`(?<![\\w$])(?:${escaped.join("|")})(?![\\w$])`, "g");
    return (text) =>
      [...text.matchAll(named)].some(({ index }) => !isCommentLine(text, index)) || DYNAMIC.test(text);
  }
  const known = new Set(names);
  return (text) => DYNAMIC.test(text) || text.match(/[\w$]+/g)?.some((word) => known.has(word)) === true;
}

/** Whether the line of an offset is a line of a comment, and surely nothing that runs. */
function isCommentLine(text: string, index: number): boolean {
  const start = text.lastIndexOf("\n", index) + 1;
  const before = text.slice(start, index);
  // JSDoc types count, and a template may hold a line like that.
  return /^\s*(?:\*\s|\/\/)/.test(before) && !/\$\{|\{\s*$|@/.test(before);
}

/** Follows namespaces from file to file. */
export class Spread {
  readonly #frontier: Frontier;
  readonly #world: World;
  readonly #program: Program;

  /** @param world one whose gate the frontier is */
  constructor(frontier: Frontier, world: World) {
    this.#frontier = frontier;
    this.#world = world;
    this.#program = world.program;
  }

  /** Follows what files let out until nothing new is reached. */
  settle(): void {
    const { reached } = this.#frontier;
    let open: ReadonlySet<string> = new Set(reached);
    for (let round = 0; round < MAX_ROUNDS && open.size > 0; round += 1) {
      const before = new Set(reached);
      for (const file of open) this.#follow(file);
      const added = [...reached].filter((file) => !before.has(file));
      if (added.length === 0) return;
      this.#frontier.widen();
      this.#world.guard.clear();
      // What is new may make more of those that import it.
      open = new Set([
        ...added,
        ...added.flatMap((file) => this.#program.importers(file, 0)).filter((file) => reached.has(file)),
      ]);
    }
  }

  #follow(path: string): void {
    const file = this.#program.file(path);
    if (file === null) return;
    this.#world.guard.reset();
    try {
      this.#leave(file);
    } catch (error) {
      if (!(error instanceof Exhausted) && !(error instanceof RangeError)) throw error;
      this.#leaveOpen(file);
    }
  }

  #leave(file: SourceFile): void {
    if (this.#exportsNamespaces(file)) this.#reachAll(this.#program.importers(file.path, 0));
    for (const calls of file.calls.values()) for (const call of calls) this.#handOver(call);
  }

  /** Follows a file whose exports lead too far: it may let out anything, to all that it touches. */
  #leaveOpen({ path: file, sources }: SourceFile): void {
    this.#reachAll(this.#program.importers(file, 0));
    this.#reachAll(
      [...sources]
        .map((source) => this.#program.modules.resolve(file, source))
        .filter((found) => found !== null),
    );
  }

  #reachAll(files: readonly string[]): void {
    for (const file of files) if (MAY_CALL.test(this.#program.text(file))) this.#frontier.reach(file);
  }

  #exportsNamespaces(file: SourceFile): boolean {
    const { members, types } = this.#world;
    // What it only passes on, its own file exports, whose importers are followed through this one.
    const own = [...file.exports].flatMap(([name, { kind }]) => (kind === "elsewhere" ? [] : [name]));
    const names = [...own, ...(file.commonjs === null ? [] : ["default"])];
    if (names.some((name) => this.#carries(members.exported(file, name), 0))) return true;
    // A type that stands for a namespace, or holds one under another name than its binding's.
    return [...file.root.types].some(([name, declared]) => {
      if (declared.kind !== "alias" && declared.kind !== "interface") return false;
      return this.#carries(
        types.values({
          node: {
            type: "TSTypeReference",
            typeName: { type: "Identifier", name, start: 0, end: 0 },
            typeArguments: null,
            start: 0,
            end: 0,
          },
          scope: file.root,
        }),
        0,
      );
    });
  }

  /** Whether a namespace can be had from some values without naming its binding. */
  #carries(values: readonly Value[], depth: number): boolean {
    return values.some((value) => this.#carriesOne(value, depth));
  }

  #carriesOne(value: Value, depth: number): boolean {
    if (value.kind === "kv" || value.kind === "method") return true;
    if (depth >= MAX_CARRY_DEPTH) return false;
    const { expressions, members, shapes, calls } = this.#world;
    const deeper = (found: readonly Value[]): boolean => this.#carries(found, depth + 1);
    switch (value.kind) {
      case "many":
      case "pairs":
        return deeper(value.of);
      case "function":
        return deeper(expressions.returned(value.info));
      case "signature":
        return deeper(calls.called(value));
      case "object":
        return deeper(members.properties([value]));
      case "class":
      case "instance":
        return members
          .fields(value.info)
          .some(
            (name) =>
              deeper(
                members.named(
                  [{ kind: "instance", info: value.info, types: new Map() }],
                  name,
                  value.info.scope,
                ),
              ) || deeper(members.named([{ kind: "class", info: value.info }], name, value.info.scope)),
          );
      case "shape":
        // Bindings have to be named to be had: those who name them are searched already.
        return value.sites.some((site) =>
          shapes
            .memberNames(site)
            .some((name) => !isBindingName(name) && deeper(shapes.member(site, name, value))),
        );
      case "module":
        return [...value.file.exports.keys()].some((name) => deeper(members.exported(value.file, name)));
      case "context":
        return deeper(value.variables);
      default:
        return false;
    }
  }

  /** A namespace that is handed to a function gets into the file of that function; one that is stored, to who asks for it. */
  #handOver({ node, scope }: CallRecord): void {
    if (node.arguments.length === 0) return;
    const [key] = node.arguments;
    const stores =
      calleeName(node.callee) === "set" && key?.type === "Literal" && typeof key.value === "string";
    const targets = this.#filesOf(node.callee, scope).filter((file) => !this.#frontier.reached.has(file));
    // Most calls lead nowhere new: then it does not matter what they hand over.
    if (targets.length === 0 && !stores) return;
    const { expressions } = this.#world;
    const isHandedOver = node.arguments.some((argument) => {
      const value = bare(argument.type === "SpreadElement" ? argument.argument : argument);
      if (value.type === "Literal" || value.type === "TemplateLiteral") return false;
      return this.#carries(expressions.values({ node: value, scope }), 0);
    });
    if (!isHandedOver) return;
    for (const file of targets) this.#frontier.reach(file);
    if (!stores) return;
    for (const file of this.#program.paths) {
      if (this.#program.text(file).includes(String(key.value))) this.#frontier.reach(file);
    }
  }

  /** The files in which what is called may be written. */
  #filesOf(callee: Node, scope: Scope): readonly string[] {
    const imported = this.#importOf(callee, scope);
    const node = bare(callee);
    const isBind =
      node.type === "MemberExpression" && ["bind", "call", "apply"].includes(calleeName(node) ?? "");
    const values = this.#world.expressions.values({ node: isBind ? node.object : node, scope });
    const written = values.flatMap((value) =>
      value.kind === "function" || value.kind === "class" ? [value.info.file.path] : [],
    );
    return imported === null ? written : [...written, imported];
  }

  /** The file that a callee is imported from, which the gate may hide. */
  #importOf(callee: Node, scope: Scope): string | null {
    let root = bare(callee);
    while (root.type === "MemberExpression") root = bare(root.object);
    const declared = root.type === "Identifier" ? scope.lookup(root.name) : null;
    return declared?.kind === "import"
      ? this.#program.modules.resolve(declared.file.path, declared.source)
      : null;
  }
}

const isBindingName = (name: string): boolean => /^[A-Z][A-Z0-9_]*$/.test(name);
