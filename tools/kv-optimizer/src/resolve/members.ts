/** The property of what something may be. */
import {
  type ClassInfo,
  type ClassMember,
  keyName,
  type Scope,
  type Site,
  type SourceFile,
} from "../program/index.ts";
import { type Operation, OPERATIONS } from "../model.ts";
import { isConstantName } from "./bindings.ts";
import { textsOf } from "./text.ts";
import { ENV, type KvValue, merged, OTHER, union, type Value } from "./value.ts";
import type { World } from "./world.ts";

const isOperation = (name: string): name is Operation => OPERATIONS.some((operation) => operation === name);
const ENV_PROPERTIES: ReadonlySet<string> = new Set(["env", "ENV", "bindings"]);
/** What a binding looks like where only a config knows its name. */
const MAX_CHAIN = 20;
/** Properties of properties of what flows in under a type: beyond, the type has to tell. */
const MAX_FAR = 3;

export class Members {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** `object.name`. */
  named(objects: readonly Value[], name: string, scope: Scope): readonly Value[] {
    if (objects.every(({ kind }) => kind === "foreign")) return this.#ofUnknown(name, scope);
    return union(...objects.map((object) => this.#of(object, name, scope)));
  }

  /** `object[key]`. */
  computed(objects: readonly Value[], key: Site): readonly Value[] {
    const names = textsOf(this.#world, key).filter((text) => !text.includes("{"));
    if (names.length > 0) return union(...names.map((name) => this.named(objects, name, key.scope)));
    return this.properties(objects);
  }

  /** What a collection holds. */
  elements(objects: readonly Value[]): readonly Value[] {
    return union(
      ...objects.map((object): readonly Value[] => {
        if (object.kind === "many") {
          return object.keyed === true ? [{ kind: "pairs", of: object.of }] : object.of;
        }
        if (object.kind === "pairs") return [{ kind: "many", of: object.of }];
        return [];
      }),
    );
  }

  /** The values of all properties, as `Object.values` hands them over. */
  properties(objects: readonly Value[]): readonly Value[] {
    return union(...objects.map((object) => (object.kind === "many" ? object.of : this.#anyOf(object))));
  }

  /** Nothing is known of the object: two names tell all the same. */
  #ofUnknown(name: string, { file }: Scope): readonly Value[] {
    if (ENV_PROPERTIES.has(name)) return [ENV];
    // A name that only bindings have: by a config, and written as they are.
    if (/^[A-Z][A-Z0-9_]*$/.test(name) && this.#world.bindings.kind(file.path, name) === "kv") {
      return [this.#binding(name, true)];
    }
    return [];
  }

  #binding(name: string, inferred: boolean): KvValue {
    const text = inferred
      ? `${name} of an object that is not known, named as a KV binding`
      : `the KV binding ${name}`;
    return { kind: "kv", binding: name, inferred, trail: { text, before: null } };
  }

  #of(object: Value, name: string, scope: Scope): readonly Value[] {
    this.#world.guard.step();
    switch (object.kind) {
      case "kv":
        return isOperation(name) ? [{ kind: "method", operation: name, kv: object }] : [OTHER];
      case "env": {
        const kind = this.#world.bindings.kind(scope.file.path, name);
        if (kind === "kv") return [this.#binding(name, false)];
        // `globalThis.env`, `bindings.env`
        return kind === "other" ? [OTHER] : ENV_PROPERTIES.has(name) ? [ENV] : [];
      }
      case "instance":
        return this.#instance(object.info, name, object, 0);
      case "class":
        return this.#static(object.info, name, 0);
      case "object":
        return this.#property(object.site, name, scope);
      case "module":
        return name === "default" && object.file.exports.size === 0 && object.file.commonjs !== null
          ? this.#world.expressions.values(object.file.commonjs)
          : this.exported(object.file, name);
      case "shape":
        return this.#shape(object, name, scope);
      case "context":
        if (name === "env") return object.bindings.length === 0 ? [ENV] : object.bindings;
        if (name === "var") return object.variables;
        return [];
      case "many":
      case "pairs":
        if (/^\d+$/.test(name)) {
          if (object.kind === "pairs") return name === "1" ? object.of : [OTHER];
          return object.items === undefined ? object.of : (object.items[Number(name)] ?? []);
        }
        return object.kind === "many" && !ARRAY_MEMBERS.has(name) ? this.#ofRecord(object, name) : [];
      case "foreign":
        return this.#ofUnknown(name, scope);
      case "function":
      case "signature":
      case "method":
        return [];
      case "enum":
      case "key":
      case "other":
        return [OTHER];
      default:
        return object satisfies never;
    }
  }

  /** A record is read by name, and one of namespaces under the names of bindings holds these. */
  #ofRecord({ of, names }: Extract<Value, { kind: "many" }>, name: string): readonly Value[] {
    if (names !== undefined && !names.includes(name)) return [];
    if (!isConstantName(name)) return of;
    return of.map((value) =>
      value.kind === "kv" && value.binding === null ? this.#binding(name, false) : value,
    );
  }

  /** An export of a module, through barrels. */
  exported(file: SourceFile, name: string): readonly Value[] {
    const { guard } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(file, `export ${name}`), [], () =>
      this.#exported(file, name),
    );
  }

  #exported(file: SourceFile, name: string): readonly Value[] {
    const { expressions } = this.#world;
    const found = file.exports.get(name);
    if (found?.kind === "site") return expressions.values(found.site);
    if (found?.kind === "local") {
      const declared = file.root.lookup(found.name);
      return declared === null ? [] : expressions.declared(declared);
    }
    if (found?.kind === "elsewhere") {
      const module = this.#world.imported(file, found.source);
      if (module === null) return [];
      return found.name === "*" ? [{ kind: "module", file: module }] : this.exported(module, found.name);
    }
    if (file.commonjs !== null) {
      const whole = expressions.values(file.commonjs);
      return name === "default" ? whole : this.named(whole, name, file.root);
    }
    return union(
      ...file.stars.map((source) => {
        const module = this.#world.imported(file, source);
        return module === null ? [] : this.exported(module, name);
      }),
    );
  }

  /** Where the value of a property of a written-out object stands; through spreads; the last one wins. */
  propertySites(site: Site, name: string): readonly Site[] {
    const { guard } = this.#world;
    return guard.answer<readonly Site[]>(guard.part(site.node, `sites ${name}`), [], () =>
      this.#propertySites(site, name),
    );
  }

  #propertySites(site: Site, name: string): readonly Site[] {
    if (site.node.type !== "ObjectExpression") return [];
    const found: Site[] = [];
    for (const property of site.node.properties) {
      if (property.type === "SpreadElement") {
        for (const value of this.#world.expressions.values({ node: property.argument, scope: site.scope })) {
          if (value.kind === "object" && value.site.node !== site.node) {
            found.push(...this.propertySites(value.site, name));
          }
        }
      } else if (keyName(property.key, property.computed) === name) {
        found.length = 0;
        found.push({ node: property.value, scope: site.scope });
      }
    }
    return found;
  }

  #property(site: Site, name: string, scope: Scope): readonly Value[] {
    const { guard } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(site.node, `property ${name}`), [], () =>
      this.#written(site, name, scope),
    );
  }

  #written(site: Site, name: string, scope: Scope): readonly Value[] {
    const { node } = site;
    const { expressions } = this.#world;
    if (node.type !== "ObjectExpression") return [];
    const values: (readonly Value[])[] = [];
    for (const property of node.properties) {
      if (property.type === "SpreadElement") {
        values.push(
          this.named(expressions.values({ node: property.argument, scope: site.scope }), name, scope),
        );
        continue;
      }
      const key = keyName(property.key, property.computed);
      const texts =
        key === null && property.computed
          ? textsOf(this.#world, { node: property.key, scope: site.scope })
          : [];
      if (key !== name && !texts.includes(name)) continue;
      const value: Site = { node: property.value, scope: site.scope };
      const fn = property.kind === "get" ? expressions.inline(property.value, site.scope) : null;
      values.push(fn === null ? expressions.values(value) : expressions.returned(fn));
    }
    // `this.name = …` in one of its methods.
    for (const { property, site: written } of site.scope.file.objectWrites.get(node) ?? []) {
      if (property === name) values.push(expressions.values(written));
    }
    return union(...values);
  }

  #anyOf(object: Value): readonly Value[] {
    const { expressions } = this.#world;
    switch (object.kind) {
      case "object": {
        const { node, scope } = object.site;
        if (node.type !== "ObjectExpression") return [];
        const { guard } = this.#world;
        return guard.answer<readonly Value[]>(guard.part(node, "any"), [], () =>
          union(
            ...node.properties.map((property) =>
              property.type === "SpreadElement"
                ? this.properties(expressions.values({ node: property.argument, scope }))
                : expressions.values({ node: property.value, scope }),
            ),
          ),
        );
      }
      case "shape":
        return union(...object.sites.map((site) => this.#world.shapes.anyMember(site, object)));
      default:
        return [];
    }
  }

  #shape(object: Extract<Value, { kind: "shape" }>, name: string, scope: Scope): readonly Value[] {
    const { shapes, bindings } = this.#world;
    const found = union(...object.sites.map((site) => shapes.member(site, name, object)));
    const [site] = object.sites;
    if (site !== undefined && bindings.isBinding(object.name, site, name)) {
      if (found.some(({ kind }) => kind === "kv")) return [this.#binding(name, false)];
      if (found.length === 0 && bindings.kind(scope.file.path, name) === "kv") {
        return [this.#binding(name, false)];
      }
    }
    if (found.length === 0 && ENV_PROPERTIES.has(name)) return [ENV];
    const { flow } = object;
    const far = (object.far ?? 0) + 1;
    if (flow === undefined || far > MAX_FAR) return found;
    const { guard } = this.#world;
    return guard.answer<readonly Value[]>(guard.part(object, name), found, () =>
      merged(found, () => this.named(flow(), name, scope), far),
    );
  }

  /**
   * The namespaces among some values: those that are known to be, and those that flow in where the
   * type has nothing but methods of KV, as an interface that stands for it in tests does.
   */
  namespaces(values: readonly Value[], depth = 0): readonly KvValue[] {
    return values.flatMap((value): readonly KvValue[] => {
      if (value.kind === "kv") return [value];
      if (value.kind !== "shape" || value.flow === undefined || depth > 4 || !this.#looksLikeKv(value)) {
        return [];
      }
      return this.namespaces(value.flow(), depth + 1);
    });
  }

  #looksLikeKv({ sites }: Extract<Value, { kind: "shape" }>): boolean {
    if (sites.length === 0) return true;
    const names = sites.flatMap((site) => this.#world.shapes.memberNames(site));
    return names.length > 0 && names.every(isOperation);
  }

  /** The names of what a class holds and its kind lets out: no private names, no methods. */
  fields({ members, writes }: ClassInfo): readonly string[] {
    const names = [
      ...members.filter(({ fn }) => fn === null || fn.role === "getter").map(({ name }) => name),
      ...writes.map(({ property }) => property ?? "#"),
    ];
    return [...new Set(names)].filter((name) => !name.startsWith("#") && !name.includes("."));
  }

  /** The member of an instance, from the class that has it. */
  memberOf(info: ClassInfo, name: string, isStatic: boolean): readonly ClassMember[] {
    return info.members.filter((member) => member.name === name && member.isStatic === isStatic);
  }

  #instance(info: ClassInfo, name: string, object: Value, depth: number): readonly Value[] {
    const { guard, expressions } = this.#world;
    const found = guard.answer<readonly Value[] | null>(guard.part(info, `.${name}`), null, () =>
      this.#field(info, name, false),
    );
    if (found !== null) {
      return object.kind === "instance" && object.types.size > 0
        ? this.#typed(info, name, object, found)
        : found;
    }
    if (depth > MAX_CHAIN) return [];
    const parents = expressions.superClasses(info);
    const inherited = union(...parents.map((parent) => this.#instance(parent, name, object, depth + 1)));
    if (inherited.length > 0 || parents.length > 0) return inherited;
    const mixed = this.#mixedIn(info, name);
    if (mixed.length > 0) return mixed;
    // Durable Objects, entry points, agents and workflows have their bindings so.
    return info.superClass !== null && name === "env" ? this.#inheritedEnv(info) : [];
  }

  /** `class extends Base`, where `Base` is a parameter whose type says what it constructs. */
  #mixedIn({ superClass }: ClassInfo, name: string): readonly Value[] {
    if (superClass === null) return [];
    const { expressions, calls } = this.#world;
    const bases = expressions.values(superClass).filter(({ kind }) => kind === "signature");
    return bases.length === 0
      ? []
      : this.named(union(...bases.map((base) => calls.called(base))), name, superClass.scope);
  }

  /** `Env` of `extends DurableObject<Env>`. */
  #inheritedEnv({ node, scope }: ClassInfo): readonly Value[] {
    const [, second] = node.superTypeArguments?.params ?? [];
    const [first] = node.superTypeArguments?.params ?? [];
    const typed = union(
      ...[first, second].map((type) =>
        type === undefined ? [] : this.#world.types.values({ node: type, scope }),
      ),
    ).filter(({ kind }) => kind === "shape");
    return typed.length > 0 ? typed : [ENV];
  }

  /** A field of a generic class whose type is a parameter of it. */
  #typed(
    info: ClassInfo,
    name: string,
    object: Extract<Value, { kind: "instance" }>,
    found: readonly Value[],
  ): readonly Value[] {
    const member = this.memberOf(info, name, false)[0];
    const annotation = member?.annotation ?? member?.parameter?.annotation ?? null;
    if (annotation === null) return found;
    return union(this.#world.types.values(annotation, object.types), found);
  }

  /** The classes that extend a class. */
  #subclasses(info: ClassInfo): readonly ClassInfo[] {
    const { guard, program, expressions } = this.#world;
    return guard.answer<readonly ClassInfo[]>(guard.part(info, "subclasses"), [], () =>
      info.names.flatMap((name) =>
        program
          .among(program.importers(info.file.path, 0), name)
          .flatMap((file) => [...file.classes.values()])
          .filter((sub) => sub.superClass !== null && expressions.superClasses(sub).includes(info)),
      ),
    );
  }

  #static(info: ClassInfo, name: string, depth: number): readonly Value[] {
    const { guard, expressions } = this.#world;
    const found = guard.answer<readonly Value[] | null>(guard.part(info, `static ${name}`), null, () =>
      this.#field(info, name, true),
    );
    if (found !== null || depth > MAX_CHAIN) return found ?? [];
    return union(...expressions.superClasses(info).map((parent) => this.#static(parent, name, depth + 1)));
  }

  #field(info: ClassInfo, name: string, isStatic: boolean): readonly Value[] | null {
    const { expressions, types } = this.#world;
    const members = this.memberOf(info, name, isStatic);
    const writes = info.writes.filter(({ property }) => property === name);
    if (members.length === 0 && writes.length === 0) return null;
    const added = info.writes.filter(({ property }) => property === `${name}.*`);
    const written = (): readonly Value[] => {
      const values = writes.map(({ site }) => expressions.values(site));
      if (added.length === 0) return union(...values);
      return union(...values, [
        { kind: "many", of: union(...added.map(({ site }) => expressions.values(site))) },
      ]);
    };
    if (members.length === 0) return written();
    return union(
      ...members.map((member): readonly Value[] => {
        const { fn, value, annotation, parameter } = member;
        // What is abstract, or left to those who extend the class, is what they make of it.
        const below = (): readonly Value[] =>
          isStatic ? [] : union(...this.#subclasses(info).map((sub) => this.#field(sub, name, false) ?? []));
        if (fn !== null && fn.role === "getter") return merged(expressions.returned(fn), below);
        if (fn !== null && fn.role === "setter") return [];
        if (fn !== null) return [{ kind: "function", info: fn }];
        if (parameter !== null) return union(expressions.declared(parameter), written());
        const typed = annotation === null ? [] : types.values(annotation);
        return merged(typed, () => {
          const own = union(value === null ? [] : expressions.values(value), written());
          return own.length > 0 ? own : below();
        });
      }),
    );
  }
}

/** Members of arrays and maps, which a record of the same type does not have. */
const ARRAY_MEMBERS: ReadonlySet<string> = new Set(
  (
    "length size map forEach filter get set has delete clear values entries keys push at find reduce " +
    "some every flatMap slice concat join includes then catch finally sort pop shift next"
  ).split(" "),
);
