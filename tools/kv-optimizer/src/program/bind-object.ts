/** Objects that are written out: their methods, and what they hold under a name. */
import { OPERATIONS } from "../model.ts";
import type { Binder } from "./bind.ts";
import type { Scope, Self, Site } from "./model.ts";
import { bare, isFunction, keyName, type Node } from "./syntax.ts";
import { listAt } from "./writes.ts";

/** Binds the members of an object. */
export function bindObject(
  binder: Binder,
  node: Extract<Node, { type: "ObjectExpression" }>,
  scope: Scope,
): void {
  const object: Site = { node, scope };
  const member: Self = { kind: "object", site: object };
  for (const property of node.properties) {
    if (property.type === "SpreadElement") {
      binder.visit(property.argument, scope);
      continue;
    }
    if (property.computed) binder.visit(property.key, scope);
    const key = keyName(property.key, property.computed);
    const value = bare(property.value);
    if (isFunction(value)) {
      const role = property.kind === "get" ? "getter" : property.kind === "set" ? "setter" : "method";
      const hints = { member, role, names: key === null ? [] : [key] } as const;
      binder.bindFunction(value, scope, hints);
      continue;
    }
    if (key !== null && value.type === "Identifier") {
      listAt(binder.file.references, value.name).push({ scope, use: { kind: "property", key, object } });
    }
    if (key !== null && isMethodOf(value)) binder.file.methodNames.add(key);
    binder.named(property.value, scope, key === null ? {} : { names: [key] });
  }
}

/** `kv.get` or `kv.get.bind(kv)`, kept for later. */
export function isMethodOf(node: Node): boolean {
  if (node.type === "CallExpression") {
    const callee = bare(node.callee);
    return (
      callee.type === "MemberExpression" &&
      keyName(callee.property, callee.computed) === "bind" &&
      isMethodOf(bare(callee.object))
    );
  }
  if (node.type !== "MemberExpression") return false;
  const name = keyName(node.property, node.computed);
  return OPERATIONS.some((operation) => operation === name);
}
