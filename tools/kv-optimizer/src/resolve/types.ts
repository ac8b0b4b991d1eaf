/** What something of a type may be. */
import { type Node, type Scope, type Site, type SourceFile, type TypeDeclaration } from "../program/index.ts";
import { ENV_NAME } from "./bindings.ts";
import { literalTexts } from "./literal-types.ts";
import { lastName } from "./type-names.ts";
import { ENV, FOREIGN, NO_ARGUMENTS, OTHER, type TypeArguments, union, type Value } from "./value.ts";
import { placeOf, type World } from "./world.ts";

/** Types that hand through what they are given. */
const TRANSPARENT: ReadonlySet<string> = new Set([
  "Promise",
  "PromiseLike",
  "Awaited",
  "Readonly",
  "Required",
  "Partial",
  "NonNullable",
  "Pick",
  "Omit",
  "Extract",
  "Exclude",
  "Readonly",
  "WeakRef",
]);
/** Collections, and which of their parameters they hold. */
const COLLECTIONS: ReadonlyMap<string, number> = new Map([
  ["Array", 0],
  ["ReadonlyArray", 0],
  ["Set", 0],
  ["ReadonlySet", 0],
  ["Iterable", 0],
  ["AsyncIterable", 0],
  ["Iterator", 0],
  ["IterableIterator", 0],
  ["Generator", 0],
  ["AsyncGenerator", 0],
  ["AsyncIterableIterator", 0],
  ["Map", 1],
  ["ReadonlyMap", 1],
  ["WeakMap", 1],
  ["Record", 1],
]);
/** Contexts of routers: `Context<{ Bindings: Env }>` of Hono, `EventContext<Env>` of Pages. */
const CONTEXTS: ReadonlySet<string> = new Set(["Context", "EventContext"]);
const HANDLER_TYPES: ReadonlySet<string> = new Set(["PagesFunction"]);
/** Types of which nothing follows. */
const OPAQUE: ReadonlySet<string> = new Set(["Function", "Object", "T", "this"]);

export class Types {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** @param types what type parameters stand for, by name */
  values({ node, scope }: Site, types: TypeArguments = NO_ARGUMENTS): readonly Value[] {
    this.#world.guard.step();
    switch (node.type) {
      case "TSTypeAnnotation":
        return this.values({ node: node.typeAnnotation, scope }, types);
      case "TSParenthesizedType":
        return this.values({ node: node.typeAnnotation, scope }, types);
      case "TSTypeReference":
        return this.#reference(node, scope, types);
      case "TSTypeLiteral":
        return [{ kind: "shape", name: "", sites: [{ node, scope }], types }];
      case "TSMappedType":
        return [{ kind: "shape", name: "", sites: [{ node, scope }], types }];
      case "TSUnionType":
      case "TSIntersectionType": {
        const all = union(...node.types.map((type) => this.values({ node: type, scope }, types)));
        // `KVNamespace | null`: what is absent says nothing.
        const known = all.filter(({ kind }) => kind !== "other");
        return known.length > 0 ? known : all;
      }
      case "TSArrayType":
        return [{ kind: "many", of: this.values({ node: node.elementType, scope }, types) }];
      case "TSTupleType":
        return [
          {
            kind: "many",
            of: union(...node.elementTypes.map((type) => this.values({ node: type, scope }, types))),
          },
        ];
      case "TSNamedTupleMember":
        return this.values({ node: node.elementType, scope }, types);
      case "TSTypeOperator":
        return node.operator === "readonly"
          ? this.values({ node: node.typeAnnotation, scope }, types)
          : [OTHER];
      case "TSOptionalType":
      case "TSRestType":
        return this.values({ node: node.typeAnnotation, scope }, types);
      case "TSIndexedAccessType": {
        const object = this.values({ node: node.objectType, scope }, types);
        const names = this.#indexNames(node.indexType, types);
        if (names.length === 0) return this.#world.members.properties(object);
        return union(...names.map((name) => this.#world.members.named(object, name, scope)));
      }
      case "TSTypeQuery":
        return this.#query(node, scope);
      case "TSImportType": {
        if (node.qualifier === null) return [];
        const name = node.qualifier.type === "Identifier" ? node.qualifier.name : "";
        if (name === "KVNamespace") return this.#namespace({ node, scope });
        const module = this.#world.imported(scope.file, node.source.value, "type");
        return module === null ? [] : this.named(name, module.root, NO_ARGUMENTS, [], { node, scope });
      }
      case "TSFunctionType":
      case "TSConstructorType":
        return [{ kind: "signature", result: { node: node.returnType, scope }, types }];
      case "TSConditionalType":
        return union(
          this.values({ node: node.trueType, scope }, types),
          this.values({ node: node.falseType, scope }, types),
        );
      case "TSStringKeyword":
      case "TSNumberKeyword":
      case "TSBooleanKeyword":
      case "TSBigIntKeyword":
      case "TSLiteralType":
      case "TSVoidKeyword":
      case "TSNullKeyword":
      case "TSUndefinedKeyword":
      case "TSSymbolKeyword":
      case "TSNeverKeyword":
      case "TSTemplateLiteralType":
        return [OTHER];
      default:
        return [];
    }
  }

  /** The names that an index stands for: written out, or those of a mapped type or a call. */
  #indexNames(index: Node, types: TypeArguments): readonly string[] {
    const parameter =
      index.type === "TSTypeReference" && index.typeName.type === "Identifier"
        ? types.get(index.typeName.name)
        : undefined;
    return parameter?.flatMap((value) => (value.kind === "key" ? [value.text] : [])) ?? literalTexts(index);
  }

  /** The parameter of a function type, for functions that take their types from where they stand. */
  parameter(site: Site, index: number): readonly Value[] {
    const { node, scope } = site;
    if (node.type === "TSTypeAnnotation") return this.parameter({ node: node.typeAnnotation, scope }, index);
    if (node.type === "TSFunctionType") {
      const parameter = node.params[index];
      const pattern = parameter?.type === "TSParameterProperty" ? parameter.parameter : parameter;
      return pattern !== undefined && "typeAnnotation" in pattern && pattern.typeAnnotation
        ? this.values({ node: pattern.typeAnnotation, scope })
        : [];
    }
    if (node.type !== "TSTypeReference") return [];
    const name = lastName(node.typeName);
    if (name === null) return [];
    if (HANDLER_TYPES.has(name) && index === 0) return [this.#context(node, scope, NO_ARGUMENTS)];
    const declared = this.#world.typeNames.declared(name, scope);
    return declared?.kind === "alias" && declared.site.node.type === "TSTypeAliasDeclaration"
      ? this.parameter({ node: declared.site.node.typeAnnotation, scope: declared.site.scope }, index)
      : [];
  }

  #namespace(site: Site): readonly Value[] {
    return [
      {
        kind: "kv",
        binding: null,
        inferred: false,
        trail: { text: `KVNamespace (${placeOf(site)})`, before: null },
      },
    ];
  }

  #reference(
    node: Extract<Node, { type: "TSTypeReference" }>,
    scope: Scope,
    types: TypeArguments,
  ): readonly Value[] {
    const name = lastName(node.typeName);
    if (name === null) return [];
    const stood = types.get(name);
    if (stood !== undefined && scope.lookupType(name)?.kind !== "alias") return stood;
    const given = (node.typeArguments?.params ?? []).map((type) => this.values({ node: type, scope }, types));
    if (name === "ReturnType" || name === "InstanceType") {
      const made = given[0] ?? [];
      return union(...made.map((value) => this.#world.calls.called(value)));
    }
    if (CONTEXTS.has(name) && !this.#world.typeNames.isOwn(this.#world.typeNames.declared(name, scope))) {
      return [this.#context(node, scope, types)];
    }
    const [first] = node.typeArguments?.params ?? [];
    if (name === "Record" && first !== undefined && this.#world.typeNames.declared(name, scope) === null) {
      const keys = this.#world.typeNames.texts({ node: first, scope });
      return this.#unknown(name, given, keys.length > 0 ? keys : null);
    }
    return this.named(name, scope, types, given, { node, scope });
  }

  /** What something of a named type may be. @param given what its type arguments are */
  named(
    name: string,
    scope: Scope,
    types: TypeArguments,
    given: readonly (readonly Value[])[],
    site: Site,
  ): readonly Value[] {
    const declared = this.#world.typeNames.declared(name, scope);
    if (name === "KVNamespace" && !this.#world.typeNames.isOwn(declared)) return this.#namespace(site);
    if (declared === null) return this.#unknown(name, given);
    return this.#ofDeclaration(declared, name, types, given, site);
  }

  #ofDeclaration(
    declared: TypeDeclaration,
    name: string,
    types: TypeArguments,
    given: readonly (readonly Value[])[],
    site: Site,
  ): readonly Value[] {
    switch (declared.kind) {
      case "class":
        return [{ kind: "instance", info: declared.info, types: bound(declared.info.node, given) }];
      case "enum":
        return [OTHER];
      case "parameter": {
        const known = types.get(name);
        if (known !== undefined) return known;
        return declared.constraint === null ? [] : this.values(declared.constraint, types);
      }
      case "interface":
        return [
          {
            kind: "shape",
            name,
            sites: [declared.site, ...declared.more],
            types: bound(declared.site.node, given),
          },
        ];
      case "alias": {
        const { node, scope } = declared.site;
        if (node.type !== "TSTypeAliasDeclaration") return [];
        const { guard } = this.#world;
        const inner = bound(node, given);
        const compute = (): readonly Value[] =>
          this.values({ node: node.typeAnnotation, scope }, inner).map((value) =>
            value.kind === "shape" && value.name === "" ? { ...value, name } : value,
          );
        return guard.answer<readonly Value[]>(
          inner.size > 0 ? { node, inner } : guard.part(node, "alias"),
          [],
          compute,
        );
      }
      case "import": {
        const module = this.#world.imported(declared.file, declared.source, "type");
        if (module === null) {
          return this.#external(
            declared.file,
            declared.source,
            declared.name === "*" ? name : declared.name,
            given,
          );
        }
        const found = declared.name === "*" ? null : this.#world.typeNames.exported(module, declared.name);
        return found === null
          ? this.#unknown(name, given)
          : this.#ofDeclaration(found.declared, found.name, types, given, site);
      }
      default:
        return declared satisfies never;
    }
  }

  /** A type of another package: of the platform's it is known, of others nothing is. */
  #external(
    from: SourceFile,
    source: string,
    name: string,
    given: readonly (readonly Value[])[],
  ): readonly Value[] {
    // A file that knows no namespace was not read for its types; what flows in may still be one.
    if (this.#world.isHidden(source, from)) return [{ kind: "shape", name, sites: [], types: NO_ARGUMENTS }];
    const known = this.#unknown(name, given);
    const isPlatform = source.startsWith("@cloudflare/") || source.startsWith("cloudflare:");
    return isPlatform || !known.includes(OTHER) ? known : [FOREIGN];
  }

  /** A type that no file of the tree declares. */
  #unknown(
    name: string,
    given: readonly (readonly Value[])[],
    keys: readonly string[] | null = null,
  ): readonly Value[] {
    if (name === "KVNamespace") {
      return [
        { kind: "kv", binding: null, inferred: false, trail: { text: "the type KVNamespace", before: null } },
      ];
    }
    if (TRANSPARENT.has(name)) return given[0] ?? [];
    const held = COLLECTIONS.get(name);
    if (name === "Record") {
      return [{ kind: "many", of: given[1] ?? [], ...(keys === null ? {} : { names: keys }) }];
    }
    if (held !== undefined) {
      return [{ kind: "many", of: given[held] ?? [], ...(name.endsWith("Map") ? { keyed: true } : {}) }];
    }
    if (ENV_NAME.test(name)) return [ENV];
    if (OPAQUE.has(name)) return [];
    // Cache, R2Bucket, D1Database, Request, … of the platform or of a package.
    return [OTHER];
  }

  /** `Context<{ Bindings: Env; Variables: V }>`, or `Context<Env>` of Pages. */
  #context(node: Extract<Node, { type: "TSTypeReference" }>, scope: Scope, types: TypeArguments): Value {
    const { members } = this.#world;
    const given = (node.typeArguments?.params ?? [])
      .slice(0, 1)
      .map((type) => this.values({ node: type, scope }, types));
    const [first = []] = given;
    const shapes = first.filter(({ kind }) => kind === "shape" || kind === "env");
    const bindings = union(
      ...shapes.map((shape) => (shape.kind === "shape" ? members.named([shape], "Bindings", scope) : [])),
    );
    const variables = union(
      ...shapes.map((shape) => (shape.kind === "shape" ? members.named([shape], "Variables", scope) : [])),
    );
    return {
      kind: "context",
      bindings: bindings.length > 0 || variables.length > 0 ? bindings : shapes,
      variables,
    };
  }

  #query(node: Extract<Node, { type: "TSTypeQuery" }>, scope: Scope): readonly Value[] {
    const { expressions, members } = this.#world;
    const name = node.exprName;
    if (name.type === "Identifier") return expressions.values({ node: name, scope });
    if (name.type === "TSQualifiedName" && name.left.type === "Identifier") {
      return members.named(expressions.values({ node: name.left, scope }), name.right.name, scope);
    }
    return [];
  }
}

/** What the type parameters of a declaration stand for. */
function bound(node: Node, given: readonly (readonly Value[])[]): TypeArguments {
  const parameters =
    "typeParameters" in node && node.typeParameters && "params" in node.typeParameters
      ? node.typeParameters.params
      : [];
  if (parameters.length === 0 || given.length === 0) return NO_ARGUMENTS;
  return new Map(parameters.map(({ name }, index) => [name.name, given[index] ?? []]));
}
