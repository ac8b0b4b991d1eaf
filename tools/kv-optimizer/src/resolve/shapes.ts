/** Members of structural types: interfaces, type literals, mapped types. */
import { keyName, type Node, type Site } from "../program/index.ts";
import { literalTexts } from "./literal-types.ts";
import { lastName } from "./type-names.ts";
import { type TypeArguments, union, type Value } from "./value.ts";
import type { World } from "./world.ts";

type Shape = Extract<Value, { kind: "shape" }>;

export class Shapes {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The member of a type: its own, or one that it inherits. */
  member(site: Site, name: string, shape: Shape): readonly Value[] {
    const { guard } = this.#world;
    const compute = (): readonly Value[] => this.#member(site, name, shape);
    return shape.types.size > 0
      ? compute()
      : guard.answer<readonly Value[]>(guard.part(site.node, name), [], compute);
  }

  /** The names of the members of a type, without those that it inherits. */
  memberNames({ node }: Site): readonly string[] {
    return elementsOf(node).flatMap((element) => {
      if (element.type !== "TSPropertySignature" && element.type !== "TSMethodSignature") return [];
      const name = keyName(element.key, element.computed);
      return name === null ? [] : [name];
    });
  }

  /** The strings that the type of a member allows, for example the tag of a union. */
  memberTexts({ node }: Site, name: string): readonly string[] {
    return elementsOf(node).flatMap((element) =>
      element.type === "TSPropertySignature" &&
      keyName(element.key, element.computed) === name &&
      element.typeAnnotation !== null
        ? literalTexts(element.typeAnnotation.typeAnnotation)
        : [],
    );
  }

  #member({ node, scope }: Site, name: string, shape: Shape): readonly Value[] {
    const { types } = shape;
    if (node.type === "TSMappedType") {
      const names = this.#world.typeNames.texts({ node: node.constraint, scope });
      if (node.typeAnnotation === null || (names.length > 0 && !names.includes(name))) return [];
      const inner: TypeArguments = new Map([...types, [node.key.name, [{ kind: "key", text: name }]]]);
      return this.#world.types.values({ node: node.typeAnnotation, scope }, inner);
    }
    const elements = elementsOf(node);
    const found: (readonly Value[])[] = [];
    let indexed: readonly Value[] = [];
    for (const element of elements) {
      switch (element.type) {
        case "TSPropertySignature":
          if (keyName(element.key, element.computed) === name && element.typeAnnotation !== null) {
            found.push(this.#world.types.values({ node: element.typeAnnotation, scope }, types));
          }
          break;
        case "TSMethodSignature":
          if (keyName(element.key, element.computed) === name) {
            const result = element.returnType === null ? null : { node: element.returnType, scope };
            found.push(
              element.kind === "get" && result !== null
                ? this.#world.types.values(result, types)
                : [{ kind: "signature", result, types }],
            );
          }
          break;
        case "TSIndexSignature":
          indexed = union(indexed, this.#world.types.values({ node: element.typeAnnotation, scope }, types));
          break;
        default:
      }
    }
    if (found.length > 0) return union(...found);
    const inherited = this.#parents({ node, scope }, types);
    return union(indexed, ...inherited.map((parent) => this.#world.members.named([parent], name, scope)));
  }

  #parents({ node, scope }: Site, types: TypeArguments): readonly Value[] {
    if (node.type !== "TSInterfaceDeclaration") return [];
    return union(
      ...node.extends.map(({ expression, typeArguments }) => {
        const name = lastName(expression);
        const given = (typeArguments?.params ?? []).map((type) =>
          this.#world.types.values({ node: type, scope }, types),
        );
        return name === null
          ? []
          : this.#world.types.named(name, scope, types, given, { node: expression, scope });
      }),
    );
  }

  /** The values of all members of a type. */
  anyMember({ node, scope }: Site, { types }: Shape): readonly Value[] {
    if (node.type === "TSMappedType") {
      return node.typeAnnotation === null
        ? []
        : this.#world.types.values({ node: node.typeAnnotation, scope }, types);
    }
    const elements = elementsOf(node);
    return union(
      ...elements.map((element) =>
        (element.type === "TSPropertySignature" || element.type === "TSIndexSignature") &&
        element.typeAnnotation !== null
          ? this.#world.types.values({ node: element.typeAnnotation, scope }, types)
          : [],
      ),
    );
  }
}

function elementsOf(node: Node): Extract<Node, { type: "TSTypeLiteral" }>["members"] {
  return node.type === "TSInterfaceDeclaration"
    ? node.body.body
    : node.type === "TSTypeLiteral"
      ? node.members
      : [];
}
