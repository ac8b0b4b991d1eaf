/** What types and blocks say of an expression, by where they stand. */
import type { Node, Scope, Step } from "../program/index.ts";

/** Whether `outer` is `inner` or a block around it. */
export function holds(outer: Scope, inner: Scope): boolean {
  for (let scope: Scope | null = inner; scope !== null; scope = scope.parent) {
    if (scope === outer) return true;
  }
  return false;
}

/** `x as T` and `<T>x`; `as const` is none. */
export function castOf(written: Node): { readonly type: Node; readonly value: Node } | null {
  let node = written;
  for (;;) {
    switch (node.type) {
      case "TSAsExpression":
      case "TSTypeAssertion": {
        const type = node.typeAnnotation;
        const isConst =
          type.type === "TSTypeReference" &&
          type.typeName.type === "Identifier" &&
          type.typeName.name === "const";
        if (!isConst) return { type, value: node.expression };
        node = node.expression;
        break;
      }
      case "ParenthesizedExpression":
      case "ChainExpression":
      case "TSNonNullExpression":
      case "TSSatisfiesExpression":
        node = node.expression;
        break;
      case "AwaitExpression":
        node = node.argument;
        break;
      default:
        return null;
    }
  }
}

/** An annotation stands for the whole pattern unless it stands at the name itself. */
export function typedPath(path: readonly Step[]): readonly Step[] {
  return path.map((step) => ({ ...step, fallback: null }));
}
