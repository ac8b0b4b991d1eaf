/** Declarations of values by patterns, and of types. */
import { type Origin, Scope, type Site, type SourceFile, type Step, type ValueDeclaration } from "./model.ts";
import { keyName, type Node } from "./syntax.ts";

/** What `declareType` needs of the binder. */
export interface Holder {
  readonly file: SourceFile;
  visit(node: Node, scope: Scope): void;
  visitAll(nodes: readonly (Node | null)[], scope: Scope): void;
}

interface Declared {
  readonly origin: Origin;
  readonly annotation: Site | null;
  /** Where defaults and types are looked up, if not in the scope that gets the names. */
  readonly lookup?: Scope;
}

/** Whether a path leads nowhere into the value: it ends at what it began with. */
export function isWhole(path: readonly Step[]): boolean {
  return path.every(({ key, computed, rest }) => key === null && computed === undefined && !rest);
}

/** Declares every name of a pattern. @returns the declaration of a pattern that is one name */
export function declarePattern(pattern: Node, scope: Scope, declared: Declared): ValueDeclaration | null {
  const lookup = declared.lookup ?? scope;
  let whole: ValueDeclaration | null = null;
  const walk = (node: Node, path: readonly Step[], annotation: Site | null): void => {
    const own =
      "typeAnnotation" in node && node.typeAnnotation
        ? { node: node.typeAnnotation, scope: lookup }
        : annotation;
    switch (node.type) {
      case "Identifier": {
        const { origin } = declared;
        const made: ValueDeclaration = {
          kind: "value",
          name: node.name,
          node,
          scope: lookup,
          origin,
          path,
          annotation: own,
          assigned: [],
          appended: [],
          writes: [],
        };
        scope.names.set(node.name, made);
        if (isWhole(path)) whole = made;
        return;
      }
      case "AssignmentPattern": {
        const fallback: Site = { node: node.right, scope: lookup };
        const last = path.at(-1);
        const stepped =
          last === undefined
            ? [{ key: null, rest: false, fallback }]
            : [...path.slice(0, -1), { ...last, fallback }];
        walk(node.left, stepped, own);
        return;
      }
      case "RestElement":
        // The rest parameter of a function is a list of arguments; elsewhere it is what is left over.
        walk(node.argument, path, own);
        return;
      case "ObjectPattern":
        for (const property of node.properties) {
          if (property.type === "RestElement") {
            walk(property.argument, [...path, { key: null, rest: true, fallback: null }], own);
          } else {
            const key = keyName(property.key, property.computed);
            const computed = key === null ? { computed: { node: property.key, scope: lookup } } : {};
            walk(property.value, [...path, { key, ...computed, rest: false, fallback: null }], own);
          }
        }
        return;
      case "ArrayPattern":
        node.elements.forEach((element, index) => {
          if (element === null) return;
          const rest = element.type === "RestElement";
          const key = rest ? null : String(index);
          walk(rest ? element.argument : element, [...path, { key, rest, fallback: null }], own);
        });
        return;
      default:
        return;
    }
  };
  walk(pattern, [], declared.annotation);
  return whole;
}

type TypeNode = Extract<
  Node,
  {
    type:
      | "TSTypeAliasDeclaration"
      | "TSInterfaceDeclaration"
      | "TSEnumDeclaration"
      | "TSModuleDeclaration"
      | "TSTypeParameterDeclaration";
  }
>;

function declareInterface(
  node: Extract<Node, { type: "TSInterfaceDeclaration" }>,
  scope: Scope,
  inside: Scope,
): void {
  const site: Site = { node, scope: inside };
  const before = scope.types.get(node.id.name);
  // Declarations of one interface add up.
  if (before?.kind === "interface") before.more.push(site);
  else scope.types.set(node.id.name, { kind: "interface", name: node.id.name, site, more: [] });
}

/** Declares the type that a declaration makes, and visits what of it may run. */
export function declareType(holder: Holder, node: TypeNode, scope: Scope): void {
  const inner = (): Scope => new Scope(holder.file, scope, { fn: scope.fn, self: scope.self });
  switch (node.type) {
    case "TSTypeParameterDeclaration":
      for (const { name, constraint, default: fallback } of node.params) {
        scope.types.set(name.name, {
          kind: "parameter",
          constraint: constraint === null ? null : { node: constraint, scope },
          fallback: fallback === null ? null : { node: fallback, scope },
        });
      }
      return;
    case "TSTypeAliasDeclaration": {
      const inside = inner();
      if (node.typeParameters) declareType(holder, node.typeParameters, inside);
      const site: Site = { node, scope: inside };
      scope.types.set(node.id.name, { kind: "alias", name: node.id.name, site, more: [] });
      return;
    }
    case "TSInterfaceDeclaration": {
      const inside = inner();
      if (node.typeParameters) declareType(holder, node.typeParameters, inside);
      declareInterface(node, scope, inside);
      return;
    }
    case "TSEnumDeclaration": {
      const site: Site = { node, scope };
      scope.names.set(node.id.name, { kind: "enum", site });
      scope.types.set(node.id.name, { kind: "enum", site });
      return;
    }
    case "TSModuleDeclaration": {
      if (node.body === null) return;
      // What `declare global` and namespaces declare is looked up by its last name.
      const isModule = node.id.type === "Literal";
      holder.visitAll(node.body.body, isModule ? inner() : scope);
      return;
    }
    default:
      return node satisfies never;
  }
}
