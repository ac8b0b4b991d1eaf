/** From a function to its callers: what they hand over, and from where they call. */
import path from "node:path/posix";
import {
  bare,
  calleeName,
  type CallRecord,
  type ClassInfo,
  type FunctionInfo,
  ITERATORS,
  keyName,
  type Reference,
  type Site,
  type SourceFile,
} from "../program/index.ts";
import { argumentSite } from "./calls.ts";
import { union, type Value } from "./value.ts";
import type { World } from "./world.ts";

/** More callers than these say nothing new. */
const MAX_CALLERS = 300;
/** Names that too many methods have for the name alone to tell which is called. */
const COMMON: ReadonlySet<string> = new Set(
  "get set put delete list has fetch run handle add update create constructor then map forEach default".split(
    " ",
  ),
);

/** Files through which an object may be handed on before one of its methods is called. */
const HANDED_ON = 2;

/** A call of a function, or the handing over of it to something that calls it. */
export interface Caller {
  readonly call: CallRecord;
  /** Where the function stands among the arguments; `null` when it is what is called. */
  readonly handedOver: number | null;
  /** Arguments that stand before those of the function: `this` of `bind` and `call`. */
  readonly shift: number;
}

export class Callers {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** What callers hand over as a parameter. */
  argument(fn: FunctionInfo, index: number, rest: boolean): readonly Value[] {
    const { guard, expressions, types } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(fn, `argument ${index}`), [], () => {
      const contextual = fn.annotation === null ? [] : types.parameter(fn.annotation, index);
      const handed = this.of(fn).map((caller): readonly Value[] => {
        if (caller.handedOver !== null) return this.#byHost(caller.call, caller.handedOver, index);
        if (rest) return [{ kind: "many", of: this.#from(caller.call, index + caller.shift) }];
        const site = argumentSite(caller.call.node, index + caller.shift, caller.call.scope);
        if (site === "spread") return this.#from(caller.call, 0);
        return site === null ? [] : expressions.values(site);
      });
      return union(contextual, ...handed);
    });
  }

  /** What callers hand over as a parameter, as expressions; `null` stands for a caller that gives none or hides it. */
  argumentSites(
    fn: FunctionInfo,
    index: number,
  ): readonly { readonly call: CallRecord; readonly site: Site | "spread" | null }[] {
    return this.of(fn)
      .filter(({ handedOver }) => handedOver === null)
      .map(({ call, shift }) => {
        const site = argumentSite(call.node, index + shift, call.scope);
        // Of `bind`, the rest comes with a call that is not followed.
        return { call, site: site === null && shift > 0 ? "spread" : site };
      });
  }

  /** All arguments from an index on. */
  #from({ node, scope }: CallRecord, index: number): readonly Value[] {
    const { expressions, members } = this.#world;
    return union(
      ...node.arguments
        .slice(index)
        .map((argument) =>
          argument.type === "SpreadElement"
            ? members.elements(expressions.values({ node: argument.argument, scope }))
            : expressions.values({ node: argument, scope }),
        ),
    );
  }

  /** What a function that takes a callback hands to it. */
  #byHost({ node, scope }: CallRecord, callback: number, index: number): readonly Value[] {
    const { expressions, members } = this.#world;
    const callee = bare(node.callee);
    if (callee.type === "MemberExpression") {
      const name = keyName(callee.property, callee.computed) ?? "";
      const receiver = (): readonly Value[] => expressions.values({ node: callee.object, scope });
      if (name === "forEach") return index === 0 ? members.properties(receiver()) : [];
      if (ITERATORS.has(name)) {
        return index === (name.startsWith("reduce") ? 1 : 0) ? members.elements(receiver()) : [];
      }
      if (name === "then") return index === 0 ? receiver() : [];
      if (name === "from" && callback === 1) {
        return index === 0 ? members.elements(this.#from({ node, scope, loops: null, statement: 0 }, 0)) : [];
      }
    }
    const hosts = expressions.values({ node: callee, scope }).flatMap((value) => {
      if (value.kind === "function") return [value.info];
      return value.kind === "class" ? constructorsOf(value.info) : [];
    });
    return union(...hosts.map((host) => this.#callsOfParameter(host, callback, index)));
  }

  /** Inside `host`: what it hands to the function that it was given. */
  #callsOfParameter(host: FunctionInfo, parameter: number, index: number): readonly Value[] {
    const declared = [...host.parameters.values()].find(
      ({ origin }) => origin.kind === "parameter" && origin.index === parameter,
    );
    if (declared === undefined) return [];
    const { expressions } = this.#world;
    const calls = (host.file.calls.get(declared.name) ?? []).filter(({ node, scope }) => {
      const callee = bare(node.callee);
      return callee.type === "Identifier" && scope.lookup(callee.name) === declared;
    });
    return union(
      ...calls.map(({ node, scope }) => {
        const site = argumentSite(node, index, scope);
        return site === null || site === "spread" ? [] : expressions.values(site);
      }),
    );
  }

  /** Where something may be used: a method also where its object was handed on. */
  #filesOf(thing: FunctionInfo | ClassInfo): readonly string[] {
    const { program } = this.#world;
    const isMember = "member" in thing && thing.member !== null;
    return program.importers(thing.file.path, isMember ? HANDED_ON : 0);
  }

  /** Every caller that is known. */
  of(fn: FunctionInfo): readonly Caller[] {
    const { guard } = this.#world;
    return guard.answer<readonly Caller[]>(guard.part(fn, "callers"), [], () => this.#of(fn));
  }

  #of(fn: FunctionInfo): readonly Caller[] {
    const found: Caller[] = [];
    if (fn.passed !== null) found.push({ call: fn.passed.call, handedOver: fn.passed.index, shift: 0 });
    if (fn.invoked !== null) found.push({ call: fn.invoked, handedOver: null, shift: 0 });
    if (fn.role === "constructor" && fn.member?.kind === "class") {
      return [...found, ...this.#constructions(fn.member.info)];
    }
    const files = this.#filesOf(fn);
    for (const name of this.#namesOf(fn, fn.names)) {
      for (const file of this.#world.program.among(files, name)) {
        for (const call of file.calls.get(name) ?? []) {
          if (found.length < MAX_CALLERS && this.#calls(call, fn, name)) {
            found.push({ call, handedOver: null, shift: 0 });
          }
        }
        for (const method of ["bind", "call"]) {
          for (const call of file.calls.get(method) ?? []) {
            if (found.length < MAX_CALLERS && this.#binds(call, fn, name)) {
              found.push({ call, handedOver: null, shift: 1 });
            }
          }
        }
        for (const reference of file.references.get(name) ?? []) {
          const { use } = reference;
          if (use.kind !== "argument" && this.#means(reference, name, fn)) {
            found.push(...this.#callsOfHeld(file, fn));
          }
          if (use.kind === "argument" && found.length < MAX_CALLERS && this.#means(reference, name, fn)) {
            found.push({ call: use.call, handedOver: use.index, shift: 0 });
          }
        }
      }
    }
    return found;
  }

  /** Properties of objects that hold the function under a key, for example the handlers of a Worker. */
  properties(fn: FunctionInfo): readonly (Reference["use"] & { readonly kind: "property" })[] {
    const found: (Reference["use"] & { readonly kind: "property" })[] = [];
    const files = this.#filesOf(fn);
    for (const name of this.#namesOf(fn, fn.names)) {
      for (const file of this.#world.program.among(files, name)) {
        for (const reference of file.references.get(name) ?? []) {
          if (reference.use.kind === "property" && this.#means(reference, name, fn)) {
            found.push(reference.use);
          }
        }
      }
    }
    return found;
  }

  /** Calls of a function that a collection holds: `for (const sweep of SWEEPS) sweep(env)`, `ROUTES.get(name)(request)`. */
  #callsOfHeld(file: SourceFile, fn: FunctionInfo): readonly Caller[] {
    const { expressions, guard } = this.#world;
    const dynamic = guard.answer<readonly CallRecord[]>(guard.part(file, "dynamic calls"), [], () =>
      [...file.calls.values()].flat().filter(({ node, scope }) => {
        const callee = bare(node.callee);
        return callee.type === "Identifier" && scope.lookup(callee.name)?.kind === "value";
      }),
    );
    return dynamic
      .filter(({ node, scope }) => {
        const values = expressions.values({ node: node.callee, scope });
        const behind = values.flatMap((value) =>
          value.kind === "signature" ? (value.flow?.() ?? []) : [value],
        );
        return behind.some((value) => value.kind === "function" && value.info === fn);
      })
      .slice(0, MAX_CALLERS)
      .map((call) => ({ call, handedOver: null, shift: 0 }));
  }

  #calls({ node, scope }: CallRecord, fn: FunctionInfo, name: string): boolean {
    this.#world.guard.step();
    const callee = bare(node.callee);
    const values = this.#world.expressions.values({ node: callee, scope });
    if (values.some((value) => value.kind === "function" && value.info === fn)) return true;
    if (values.length > 0 || callee.type !== "MemberExpression" || COMMON.has(name)) return false;
    // Nobody knows the receiver, but only one class has such a method.
    const object = this.#world.expressions.values({ node: callee.object, scope });
    return object.length === 0 && fn.member !== null && this.#only(fn, name);
  }

  /** `f.bind(null, a)`, `f.call(null, a)` */
  #binds({ node, scope }: CallRecord, fn: FunctionInfo, name: string): boolean {
    const callee = bare(node.callee);
    if (callee.type !== "MemberExpression" || calleeName(callee.object) !== name) return false;
    const values = this.#world.expressions.values({ node: callee.object, scope });
    return values.some((value) => value.kind === "function" && value.info === fn);
  }

  #only(fn: FunctionInfo, name: string): boolean {
    const { guard, program } = this.#world;
    return guard.answer(guard.part(fn, "only"), false, () => {
      let count = 0;
      for (const file of program.mentioning(name)) {
        for (const other of file.functions.values()) {
          if (other.names.includes(name) && other.node.body !== null) count += 1;
        }
      }
      return count === 1;
    });
  }

  #means({ scope, use }: Reference, name: string, fn: FunctionInfo): boolean {
    const node = use.kind === "argument" ? use.call.node.arguments[use.index] : null;
    if (use.kind === "element") {
      return this.#world.expressions
        .values(use.site)
        .some((value) => value.kind === "function" && value.info === fn);
    }
    const site: Site | null =
      node !== null && node !== undefined
        ? { node, scope }
        : use.kind === "property"
          ? propertyValue(use.object, use.key)
          : null;
    if (site === null) return false;
    const isName = bare(site.node).type === "Identifier" || bare(site.node).type === "MemberExpression";
    if (!isName || calleeName(site.node) !== name) return false;
    return this.#world.expressions
      .values(site)
      .some((value) => value.kind === "function" && value.info === fn);
  }

  /** `new C(…)` of a class and of those that inherit its constructor, and `super(…)` of those that have their own. */
  #constructions(info: ClassInfo): readonly Caller[] {
    const found: Caller[] = [];
    const makers = (target: ClassInfo, depth: number): void => {
      const files = this.#filesOf(target);
      for (const name of this.#namesOf(target, target.names)) {
        for (const file of this.#world.program.among(files, name)) {
          for (const call of file.calls.get(name) ?? []) {
            if (call.node.type !== "NewExpression" || found.length >= MAX_CALLERS) continue;
            const values = this.#world.expressions.values({ node: call.node.callee, scope: call.scope });
            if (values.some((value) => value.kind === "class" && value.info === target)) {
              found.push({ call, handedOver: null, shift: 0 });
            }
          }
          if (depth > 8) continue;
          for (const sub of file.classes.values()) {
            if (sub.superClass === null || !this.#world.expressions.superClasses(sub).includes(target)) {
              continue;
            }
            if (constructorsOf(sub).length === 0) makers(sub, depth + 1);
            else found.push(...superCalls(sub));
          }
        }
      }
    };
    makers(info, 0);
    return found;
  }

  /** All names under which something is known: its own, and those that imports and objects give it. */
  #namesOf(thing: FunctionInfo | ClassInfo, own: readonly string[]): readonly string[] {
    const { guard } = this.#world;
    return guard.answer<readonly string[]>(guard.part(thing, "names"), own, () => {
      const names = new Set(own);
      const exportedNames = [...thing.file.exports].flatMap(([name, exported]) =>
        (exported.kind === "local" && own.includes(exported.name)) || name === "default" ? [name] : [],
      );
      const files = this.#filesOf(thing);
      for (const name of new Set([...own, ...exportedNames])) {
        const word = name === "default" ? wordOf(thing.file) : name;
        for (const file of this.#world.program.among(files, word)) {
          this.#aliases(file, name, thing.file, names);
        }
      }
      names.delete("default");
      return [...names];
    });
  }

  #aliases(file: SourceFile, name: string, home: SourceFile, names: Set<string>): void {
    this.#world.guard.step();
    for (const [local, declared] of file.root.names) {
      if (declared.kind !== "import" || declared.name !== name || local === name) continue;
      const module = this.#world.imported(file, declared.source);
      if (module === home || (name !== "default" && module !== null && passesOn(module))) names.add(local);
    }
    for (const [exported, found] of file.exports) {
      if (found.kind === "elsewhere" && found.name === name && exported !== name && exported !== "default") {
        names.add(exported);
      }
    }
    for (const reference of file.references.get(name) ?? []) {
      if (reference.use.kind === "property" && reference.use.key !== name) names.add(reference.use.key);
    }
    // `const save = require("./save")`, `const { save: store } = …`
    for (const [local, declared] of file.root.names) {
      if (declared.kind !== "value" || local === name) continue;
      const last = declared.path.at(-1);
      if (last?.key === name) names.add(local);
      if (name === "default" && declared.path.length === 0 && declared.origin.kind === "value") {
        const value = bare(declared.origin.site.node);
        const [source] =
          value.type === "CallExpression" && calleeName(value.callee) === "require" ? value.arguments : [];
        if (source?.type === "Literal" && this.#world.imported(file, String(source.value)) === home) {
          names.add(local);
        }
      }
    }
  }

  /** What `c.set("name", value)` of a router's context stores, wherever it stands. */
  variable(name: string): readonly Value[] {
    const { guard, program, expressions } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(this, `variable ${name}`), [], () =>
      union(
        ...program
          .where((text) => text.includes(`set("${name}"`) || text.includes(`set('${name}'`))
          .flatMap((file) =>
            (file.calls.get("set") ?? []).map(({ node, scope }): readonly Value[] => {
              const [given, value] = node.arguments;
              const matches = given?.type === "Literal" && given.value === name && value !== undefined;
              return matches ? expressions.values({ node: value, scope }) : [];
            }),
          ),
      ),
    );
  }
}

/** Whether a module exports what others declare. */
function passesOn({ stars, exports, root }: SourceFile): boolean {
  if (stars.length > 0) return true;
  return [...exports.values()].some(
    (found) =>
      found.kind === "elsewhere" || (found.kind === "local" && root.names.get(found.name)?.kind === "import"),
  );
}

/** The word that an import of a file is likely to hold: its name, or its folder's. */
function wordOf({ path: file }: SourceFile): string {
  const name = path.basename(file).replace(/\..*$/, "");
  return name === "index" ? path.basename(path.dirname(file)) : name;
}

function propertyValue(object: Site, key: string): Site | null {
  if (object.node.type !== "ObjectExpression") return null;
  for (const property of object.node.properties) {
    if (property.type === "Property" && keyName(property.key, property.computed) === key) {
      return { node: property.value, scope: object.scope };
    }
  }
  return null;
}

export function constructorsOf({ members }: ClassInfo): readonly FunctionInfo[] {
  return members.flatMap(({ fn }) => (fn?.role === "constructor" ? [fn] : []));
}

function superCalls(info: ClassInfo): readonly Caller[] {
  return (info.file.calls.get("super") ?? [])
    .filter(({ scope }) => scope.self?.kind === "class" && scope.self.info === info)
    .map((call) => ({ call, handedOver: null, shift: 0 }));
}
