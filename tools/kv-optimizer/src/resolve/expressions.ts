/** What an expression may be. */
import {
  bare,
  calleeName,
  type ClassInfo,
  type Declaration,
  type FunctionInfo,
  isFunction,
  keyName,
  type Node,
  type Scope,
  type Site,
  type Step,
  type ValueDeclaration,
} from "../program/index.ts";
import { ENV, merged, NO_ARGUMENTS, OTHER, stepped, union, type Value } from "./value.ts";
import { isConstantName } from "./bindings.ts";
import { castOf, holds, typedPath } from "./casts.ts";
import { narrowed } from "./narrowed.ts";
import { placeOf, type World } from "./world.ts";

/** Module that hands out the bindings of the Worker. */
const WORKERS_MODULE = "cloudflare:workers";
/** Globals that hold what a Worker without modules is bound to. */
const GLOBAL_OBJECTS: ReadonlySet<string> = new Set(["globalThis", "self"]);
const ENV_NAMES: ReadonlySet<string> = new Set(["env", "ENV", "bindings"]);
/** Globals that one may ask for `.env`, and `arguments`, of which nothing is known. */
const OPAQUE_GLOBALS: ReadonlySet<string> = new Set(["undefined", "process", "arguments", "context"]);

/** Handlers that the runtime calls, and at which index it hands over the bindings. */
const HANDLERS: ReadonlySet<string> = new Set([
  "fetch",
  "scheduled",
  "queue",
  "email",
  "tail",
  "trace",
  "test",
]);

/** Methods of a tRPC procedure that take a resolver. */
const PROCEDURES: ReadonlySet<string> = new Set(["query", "mutation", "subscription", "use"]);
/** Where routers keep what middlewares set. */
const VARIABLES: ReadonlySet<string> = new Set(["var", "locals"]);

export class Expressions {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** @returns what the expression may be; nothing when that is not known */
  values(site: Site): readonly Value[] {
    return this.#world.guard.deeper(() => this.#values(site));
  }

  #values({ node: written, scope }: Site): readonly Value[] {
    const cast = castOf(written);
    if (cast !== null) {
      const typed = this.#world.types.values({ node: cast.type, scope });
      return merged(typed, () => this.values({ node: cast.value, scope }));
    }
    const node = bare(written);
    switch (node.type) {
      case "Identifier":
        return this.#identifier(node.name, { node, scope });
      case "ThisExpression": {
        const typed = scope.lookup("this");
        return typed === null ? this.#self(scope) : this.declared(typed);
      }
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression":
      case "NewExpression":
        return this.#world.guard.answer<readonly Value[]>(node, [], () =>
          this.#world.calls.result(node, scope),
        );
      case "ImportExpression":
        return node.source.type === "Literal" ? this.module(scope, String(node.source.value)) : [];
      case "ObjectExpression":
        return [{ kind: "object", site: { node, scope } }];
      case "ArrayExpression":
        return [this.#list(node, scope)];
      case "ConditionalExpression":
        return union(
          this.values({ node: node.consequent, scope }),
          this.values({ node: node.alternate, scope }),
        );
      case "LogicalExpression":
        return union(
          node.operator === "&&" ? [] : this.values({ node: node.left, scope }),
          this.values({ node: node.right, scope }),
        );
      case "SequenceExpression": {
        const last = node.expressions.at(-1);
        return last === undefined ? [] : this.values({ node: last, scope });
      }
      case "AssignmentExpression":
        return this.values({ node: node.right, scope });
      case "FunctionExpression":
      case "ArrowFunctionExpression":
      case "FunctionDeclaration": {
        const info = scope.file.functions.get(node);
        return info === undefined ? [] : [{ kind: "function", info }];
      }
      case "ClassExpression":
      case "ClassDeclaration": {
        const info = scope.file.classes.get(node);
        return info === undefined ? [] : [{ kind: "class", info }];
      }
      case "Super":
        return this.#superInstance(scope);
      case "Literal":
      case "TemplateLiteral":
      case "BinaryExpression":
      case "UpdateExpression":
      case "UnaryExpression":
        return [OTHER];
      default:
        return [];
    }
  }

  /** The module that a specifier means; the Worker's bindings of `cloudflare:workers`; else certainly nothing of ours. */
  module({ file }: Scope, source: string): readonly Value[] {
    const found = this.#world.imported(file, source);
    return found === null ? [] : [{ kind: "module", file: found }];
  }

  declared(declaration: Declaration): readonly Value[] {
    switch (declaration.kind) {
      case "function":
        return [{ kind: "function", info: declaration.info }];
      case "class":
        return [{ kind: "class", info: declaration.info }];
      case "enum":
        return [{ kind: "enum", site: declaration.site }];
      case "import": {
        const { file, source, name } = declaration;
        if (source === WORKERS_MODULE) return name === "env" ? [ENV] : [];
        const module = this.#world.imported(file, source);
        if (module === null) return [];
        return name === "*" ? [{ kind: "module", file: module }] : this.#world.members.exported(module, name);
      }
      case "value":
        return this.#world.guard.answer<readonly Value[]>(declaration, [], () => this.#value(declaration));
      default:
        return declaration satisfies never;
    }
  }

  /** The steps of a pattern, from the value that is taken apart. */
  along(values: readonly Value[], path: readonly Step[], scope: Scope): readonly Value[] {
    const { members } = this.#world;
    const into = (at: readonly Value[], { key, computed, rest }: Step): readonly Value[] => {
      if (computed !== undefined) return members.computed(at, computed);
      return rest || key === null ? at : members.named(at, key, scope);
    };
    return path.reduce<readonly Value[]>((at, step) => {
      const next = into(at, step);
      const { fallback } = step;
      return fallback === null ? next : union(next, this.values(fallback));
    }, values);
  }

  #value(declaration: ValueDeclaration): readonly Value[] {
    const { name, annotation, path, scope, node, origin } = declaration;
    const typed =
      annotation === null ? [] : this.along(this.#annotated(annotation, name), typedPath(path), scope);
    // `declare const CACHE: KVNamespace`: a global of a Worker without modules.
    if (origin.kind === "nothing" && isConstantName(name) && typed.some(({ kind }) => kind === "kv")) {
      return [
        {
          kind: "kv",
          binding: name,
          inferred: false,
          trail: { text: `the global ${name} (${placeOf({ node, scope })})`, before: null },
        },
      ];
    }
    const found = merged(typed, () => this.#flow(declaration));
    const known = found.length > 0 ? found : this.#byName(declaration);
    return stepped(known, () => `${name} (${placeOf({ node, scope })})`);
  }

  /** A type that is written in place has the name of what it stands at. */
  #annotated(annotation: Site, name: string): readonly Value[] {
    return this.#world.types
      .values(annotation)
      .map((value) => (value.kind === "shape" && value.name === "" ? { ...value, name } : value));
  }

  /** What flows into a name: where it is declared, assigned, and added to. */
  #flow({ origin, path, scope, assigned, writes }: ValueDeclaration): readonly Value[] {
    const { callers } = this.#world;
    const first = ((): readonly Value[] => {
      switch (origin.kind) {
        case "value":
          return this.values(origin.site);
        case "element":
          return this.#world.members.elements(this.values(origin.site));
        case "parameter":
          return callers.argument(origin.fn, origin.index, origin.rest);
        case "nothing":
          return [];
        default:
          return origin satisfies never;
      }
    })();
    const later = assigned.map((site) => this.values(site));
    const added = writes.filter(({ property }) => property === null).map(({ site }) => this.values(site));
    return union(
      this.along(first, path, scope),
      ...later,
      ...(added.length === 0 ? [] : [[{ kind: "many", of: union(...added) } as const]]),
    );
  }

  /** A parameter of which nothing is known but its name and place. */
  #byName({ name, origin, path }: ValueDeclaration): readonly Value[] {
    if (origin.kind !== "parameter") return [];
    const context = this.#procedureContext(origin.fn, origin.index, path);
    if (context.length > 0) return context;
    if (path.length === 0 && ENV_NAMES.has(name)) return [ENV];
    const [first] = path;
    if (first !== undefined && first.key !== null && ENV_NAMES.has(first.key)) {
      return this.along([ENV], path.slice(1), origin.fn.outer);
    }
    const isHandler = origin.index === 1 && origin.fn.names.some((own) => HANDLERS.has(own));
    return isHandler && origin.fn.role === "method" ? this.along([ENV], path, origin.fn.outer) : [];
  }

  /** `({ ctx }) => …` of a tRPC procedure: what `initTRPC.context<Context>()` names. */
  #procedureContext(fn: FunctionInfo, index: number, path: readonly Step[]): readonly Value[] {
    const { passed } = fn;
    if (
      passed === null ||
      index !== 0 ||
      path[0]?.key !== "ctx" ||
      !PROCEDURES.has(calleeName(passed.call.node.callee) ?? "")
    ) {
      return [];
    }
    const { program, types } = this.#world;
    const contexts = program.mentioning("initTRPC").flatMap((file) => file.calls.get("context") ?? []);
    const typed = contexts.map(({ node, scope }) => {
      const [type] = node.typeArguments?.params ?? [];
      return type === undefined ? [] : types.values({ node: type, scope });
    });
    return this.along(union(...typed), path.slice(1), fn.outer);
  }

  /** The one assignment that a use certainly sees: the last before it, in a block that holds the use. */
  #certain({ assigned, origin }: ValueDeclaration, { node, scope }: Site, home: Scope): Site | null {
    if (origin.kind !== "value" && origin.kind !== "nothing") return null;
    const before = assigned.filter((site) => site.node.end <= node.start && site.scope.file === scope.file);
    const last = before.at(-1);
    if (
      last === undefined ||
      !holds(last.scope, scope) ||
      last.scope.fn !== scope.fn ||
      home.fn !== scope.fn
    ) {
      return null;
    }
    // In a loop or a closure a later assignment may come first.
    const later = assigned.some((site) => site.node.start >= node.start);
    return later && scope !== home ? null : last;
  }

  #identifier(name: string, { node, scope }: Site): readonly Value[] {
    const declaration = scope.lookup(name);
    if (declaration !== null) {
      if (declaration.kind === "value" && declaration.assigned.length > 0) {
        const certain = this.#certain(declaration, { node, scope }, scope.home(name) ?? scope);
        const values = certain === null ? [] : this.values(certain);
        if (values.some(({ kind }) => kind !== "other")) return values;
      }
      return narrowed(this.#world, this.declared(declaration), name, { node, scope });
    }
    const { bindings, typeNames } = this.#world;
    if (GLOBAL_OBJECTS.has(name)) return [ENV];
    const global = typeNames.globalValue(name);
    if (global !== null) return this.declared(global);
    if (bindings.isGlobal(scope.file.path, name)) {
      const trail = { text: `the global ${name} of a Worker without modules`, before: null };
      return [{ kind: "kv", binding: name, inferred: false, trail }];
    }
    if (OPAQUE_GLOBALS.has(name)) return [];
    if (ENV_NAMES.has(name)) return [ENV];
    return node.type === "Identifier" ? [OTHER] : [];
  }

  #self(scope: Scope): readonly Value[] {
    const { self } = scope;
    if (self === null) return [];
    if (self.kind === "object") return [{ kind: "object", site: self.site }];
    return self.isStatic
      ? [{ kind: "class", info: self.info }]
      : [{ kind: "instance", info: self.info, types: NO_ARGUMENTS }];
  }

  #superInstance(scope: Scope): readonly Value[] {
    const { self } = scope;
    if (self?.kind !== "class") return [];
    return this.superClasses(self.info).map((info) => ({ kind: "instance", info, types: NO_ARGUMENTS }));
  }

  /** The classes of the program that a class may extend. */
  superClasses({ superClass }: ClassInfo): readonly ClassInfo[] {
    if (superClass === null) return [];
    return this.values(superClass).flatMap((value) => (value.kind === "class" ? [value.info] : []));
  }

  #member(node: Extract<Node, { type: "MemberExpression" }>, scope: Scope): readonly Value[] {
    const object = this.values({ node: node.object, scope });
    const name = keyName(node.property, node.computed);
    // `c.var.kv`, `event.locals.kv`: what a middleware has set under that name.
    if (name !== null && object.length === 0 && VARIABLES.has(calleeName(node.object) ?? "")) {
      const stored = this.#world.callers.variable(name);
      if (stored.length > 0) return stored;
    }
    const { members } = this.#world;
    const where = (): string =>
      `${scope.file.text.slice(node.start, node.end).replace(/\s+/g, " ").slice(0, 80)} (${placeOf({ node, scope })})`;
    if (name !== null) {
      return this.#world.guard.answer<readonly Value[]>(node, [], () =>
        stepped(members.named(object, name, scope), where),
      );
    }
    return this.#world.guard.answer<readonly Value[]>(node, [], () =>
      stepped(members.computed(object, { node: node.property, scope }), where),
    );
  }

  #list(node: Extract<Node, { type: "ArrayExpression" }>, scope: Scope): Value {
    const items = node.elements.map((element): readonly Value[] => {
      if (element === null) return [];
      if (element.type === "SpreadElement") {
        return this.#world.members.elements(this.values({ node: element.argument, scope }));
      }
      return this.values({ node: element, scope });
    });
    const isSpread = node.elements.some((element) => element?.type === "SpreadElement");
    return { kind: "many", of: union(...items), ...(isSpread ? {} : { items }) };
  }

  /** What a function hands back. */
  returned(fn: FunctionInfo): readonly Value[] {
    const { guard, types } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(fn, "returned"), [], () => {
      const { node } = fn;
      const returnType = "returnType" in node ? node.returnType : null;
      const inside = fn.returns[0]?.scope ?? fn.outer;
      const typed = returnType ? types.values({ node: returnType, scope: this.#typeScope(fn, inside) }) : [];
      return merged(typed, () => {
        const values = union(...fn.returns.map((site) => this.values(site)));
        if (fn.yields.length === 0) return values;
        return [{ kind: "many", of: union(...fn.yields.map((site) => this.#yielded(site))) }];
      });
    });
  }

  /** What a generator gives: of `yield* others`, what those give. */
  #yielded({ node, scope }: Site): readonly Value[] {
    if (node.type !== "YieldExpression") return this.values({ node, scope });
    return node.argument === null
      ? []
      : this.#world.members.elements(this.values({ node: node.argument, scope }));
  }

  /** The scope in which a function's type parameters are declared. */
  #typeScope(fn: FunctionInfo, inside: Scope): Scope {
    for (let scope: Scope | null = inside; scope !== null; scope = scope.parent) {
      if (scope.fn === fn && scope.holdsVar) return scope;
    }
    return fn.outer;
  }

  /** The function that an expression is, where it is written in place. */
  inline(node: Node, scope: Scope): FunctionInfo | null {
    const value = bare(node);
    return isFunction(value) ? (scope.file.functions.get(value) ?? null) : null;
  }
}
