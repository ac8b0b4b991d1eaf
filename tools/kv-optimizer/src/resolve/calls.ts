/** What a call hands back. */
import { bare, type CallNode, keyName, type Node, type Scope, type Site } from "../program/index.ts";
import { textsOf } from "./text.ts";
import { ENV, merged, NO_ARGUMENTS, OTHER, union, type Value } from "./value.ts";
import type { World } from "./world.ts";

/** Methods of collections that hand back one of what they hold. */
const ONE: ReadonlySet<string> = new Set(["get", "at", "find", "findLast", "pop", "shift", "next", "deref"]);
/** … and those that hand back a collection of the same. */
const SAME: ReadonlySet<string> = new Set([
  "values",
  "filter",
  "slice",
  "reverse",
  "toReversed",
  "concat",
  "sort",
  "toSorted",
  "splice",
  "flat",
  "set",
  "add",
  "with",
]);
const COLLECTION_CLASSES: ReadonlySet<string> = new Set([
  "Map",
  "Set",
  "Array",
  "WeakMap",
  "WeakSet",
  "WeakRef",
]);
/** Functions of globals that hand back their argument. */
const IDENTITY: ReadonlySet<string> = new Set([
  "Promise.resolve",
  "Object.freeze",
  "Object.seal",
  "Array.from",
  "Promise.all",
  "Promise.race",
  "Promise.any",
  "structuredClone",
]);

export class Calls {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  result(node: CallNode, scope: Scope): readonly Value[] {
    const { expressions } = this.#world;
    const callee = bare(node.callee);
    if (callee.type === "Identifier" && scope.lookup(callee.name) === null) {
      const known = this.#global(callee.name, node, scope);
      if (known !== null) return known;
    }
    if (callee.type === "MemberExpression") {
      const name = keyName(callee.property, callee.computed);
      if (name !== null) return this.#method(callee.object, name, node, scope);
    }
    const adapted = this.#adapted(callee, node, scope);
    if (adapted !== null) return adapted;
    const made = expressions.values({ node: callee, scope });
    return union(
      ...made.map(
        (value) => this.#indexed(value, node, scope) ?? this.called(value, node.type === "NewExpression"),
      ),
    );
  }

  /** `env<{ CACHE: KVNamespace }>(c)` of Hono's adapter. */
  #adapted(callee: Node, node: CallNode, scope: Scope): readonly Value[] | null {
    const declared = callee.type === "Identifier" ? scope.lookup(callee.name) : null;
    if (declared?.kind !== "import" || declared.name !== "env" || declared.source !== "hono/adapter") {
      return null;
    }
    const [type] = node.typeArguments?.params ?? [];
    return type === undefined ? [ENV] : this.#world.types.values({ node: type, scope });
  }

  /** A function that answers `Env[K]`, where `K` is the type of an argument: the member of that name. */
  #indexed(value: Value, node: CallNode, scope: Scope): readonly Value[] | null {
    if (value.kind !== "function") return null;
    const { node: fn } = value.info;
    const returned = "returnType" in fn ? fn.returnType?.typeAnnotation : undefined;
    if (returned?.type !== "TSIndexedAccessType" || returned.indexType.type !== "TSTypeReference") {
      return null;
    }
    const { typeName } = returned.indexType;
    const inner = value.info.parameters.values().next().value?.scope;
    if (typeName.type !== "Identifier" || inner === undefined) return null;
    const { members, types } = this.#world;
    for (const { annotation, origin } of value.info.parameters.values()) {
      const type = annotation?.node.type === "TSTypeAnnotation" ? annotation.node.typeAnnotation : null;
      const isIndex =
        type?.type === "TSTypeReference" &&
        type.typeName.type === "Identifier" &&
        type.typeName.name === typeName.name;
      if (!isIndex || origin.kind !== "parameter") continue;
      const argument = argumentSite(node, origin.index, scope);
      if (argument === null || argument === "spread") return null;
      const names = textsOf(this.#world, argument).filter((text) => !text.includes("{"));
      if (names.length === 0) return null;
      const object = types.values({ node: returned.objectType, scope: inner });
      return union(...names.map((name) => members.named(object, name, scope)));
    }
    return null;
  }

  /** What calling this value, or making one of it, hands back. */
  called(value: Value, isNew = false): readonly Value[] {
    const { expressions, types } = this.#world;
    switch (value.kind) {
      case "function":
        return isNew ? [] : expressions.returned(value.info);
      case "class":
        return [{ kind: "instance", info: value.info, types: NO_ARGUMENTS }];
      case "signature":
        return merged(value.result === null ? [] : types.values(value.result, value.types), () => {
          const really = value.flow?.() ?? [];
          return union(...really.map((made) => (made.kind === "signature" ? [] : this.called(made))));
        });
      case "method":
        return [OTHER];
      case "other":
        // What other packages hand back is not known; what they construct is theirs.
        return isNew ? [OTHER] : [];
      default:
        return [];
    }
  }

  #argument(node: CallNode, index: number, scope: Scope): readonly Value[] {
    const argument = node.arguments[index];
    return argument === undefined ? [] : this.#world.expressions.values({ node: argument, scope });
  }

  #global(name: string, node: CallNode, scope: Scope): readonly Value[] | null {
    const { expressions, members } = this.#world;
    if (name === "require") {
      const [source] = node.arguments;
      return source?.type === "Literal" ? expressions.module(scope, String(source.value)) : [];
    }
    if (IDENTITY.has(name)) return this.#argument(node, 0, scope);
    if (node.type !== "NewExpression") return null;
    // What it stands before, as far as anybody can tell.
    if (name === "Proxy") return this.#argument(node, 0, scope);
    if (!COLLECTION_CLASSES.has(name)) return [OTHER];
    const given = this.#argument(node, 0, scope);
    if (!name.endsWith("Map")) return [{ kind: "many", of: members.elements(given) }];
    // Pairs: the second of each is what is held.
    const pairs = members.elements(given);
    const site = node.arguments[0];
    const written = site === undefined ? null : this.#writtenPairs(site, scope);
    const held =
      written ?? union(...pairs.map((pair) => (pair.kind === "pairs" ? pair.of : members.elements([pair]))));
    return [{ kind: "many", of: held, keyed: true }];
  }

  /** `[["a", x], ["b", y]]` → what x and y are. */
  #writtenPairs(site: Node, scope: Scope): readonly Value[] | null {
    const list = bare(site);
    if (list.type !== "ArrayExpression") return null;
    return union(
      ...list.elements.map((element): readonly Value[] => {
        const pair = element === null ? null : bare(element);
        const value = pair?.type === "ArrayExpression" ? pair.elements[1] : undefined;
        return value ? this.#world.expressions.values({ node: value, scope }) : [];
      }),
    );
  }

  #method(object: Node, name: string, node: CallNode, scope: Scope): readonly Value[] {
    const { expressions, members, callers } = this.#world;
    const owner = bare(object);
    if (owner.type === "Identifier" && scope.lookup(owner.name) === null) {
      const known = this.#globalMethod(owner.name, name, node, scope);
      if (known !== null) return known;
    }
    const objects = expressions.values({ node: object, scope });
    if (name === "then") return this.#returnedBy(node, 0, scope);
    if (name === "catch" || name === "finally") return objects;
    if (name === "bind" && objects.every(({ kind }) => kind === "method" || kind === "function")) {
      return objects;
    }
    if (name === "call" || name === "apply") return union(...objects.map((value) => this.called(value)));
    if (objects.length === 0) {
      const [key] = node.arguments;
      if (name === "get" && key?.type === "Literal" && typeof key.value === "string") {
        return callers.variable(key.value);
      }
      return [];
    }
    return union(
      ...objects.map((value): readonly Value[] => {
        switch (value.kind) {
          case "many":
            return this.#ofCollection(value.of, name, node, scope);
          case "pairs":
            return [value];
          case "context":
            return name === "get" ? this.#contextVariable(value, node, scope) : [];
          default: {
            const member = members.named([value], name, scope);
            return union(...member.map((found) => this.called(found, node.type === "NewExpression")));
          }
        }
      }),
    );
  }

  #contextVariable(
    value: Extract<Value, { kind: "context" }>,
    node: CallNode,
    scope: Scope,
  ): readonly Value[] {
    const [key] = node.arguments;
    if (key?.type !== "Literal" || typeof key.value !== "string") return [];
    const typed = this.#world.members.named(value.variables, key.value, scope);
    return union(value.variables.length === 0 ? [] : typed, this.#world.callers.variable(key.value));
  }

  #ofCollection(of: readonly Value[], name: string, node: CallNode, scope: Scope): readonly Value[] {
    if (ONE.has(name)) return of;
    if (SAME.has(name)) return [{ kind: "many", of }];
    if (name === "entries") return [{ kind: "many", of: [{ kind: "pairs", of }] }];
    if (name === "map" || name === "flatMap") return [{ kind: "many", of: this.#returnedBy(node, 0, scope) }];
    if (name === "reduce") return this.#returnedBy(node, 0, scope);
    return [OTHER];
  }

  #globalMethod(owner: string, name: string, node: CallNode, scope: Scope): readonly Value[] | null {
    const { members } = this.#world;
    if (IDENTITY.has(`${owner}.${name}`)) return this.#argument(node, 0, scope);
    if (owner === "Object" && name === "values") {
      return [{ kind: "many", of: members.properties(this.#argument(node, 0, scope)) }];
    }
    if (owner === "Object" && name === "entries") {
      return [
        { kind: "many", of: [{ kind: "pairs", of: members.properties(this.#argument(node, 0, scope)) }] },
      ];
    }
    if (owner === "Object" && name === "fromEntries") {
      const pairs = members.elements(this.#argument(node, 0, scope));
      return [{ kind: "many", of: union(...pairs.map((pair) => (pair.kind === "pairs" ? pair.of : []))) }];
    }
    if (owner === "Object" && name === "assign") {
      return union(...node.arguments.map((_, index) => this.#argument(node, index, scope)));
    }
    if (owner === "Reflect" && name === "get") {
      const [target, key] = node.arguments;
      if (target === undefined || key === undefined) return [];
      return members.computed(this.#argument(node, 0, scope), { node: key, scope });
    }
    return null;
  }

  /** What the function that is handed over hands back. */
  #returnedBy(node: CallNode, index: number, scope: Scope): readonly Value[] {
    return union(...this.#argument(node, index, scope).map((value) => this.called(value)));
  }
}

/** The argument of a call as a site; `null` when it is not given, or hidden in a spread. */
export function argumentSite(node: CallNode, index: number, scope: Scope): Site | "spread" | null {
  for (let at = 0; at <= index; at += 1) {
    const argument = node.arguments[at];
    if (argument === undefined) return null;
    if (argument.type === "SpreadElement") return "spread";
    if (at === index) return { node: argument, scope };
  }
  return null;
}
