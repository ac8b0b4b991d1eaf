/** Assignments: to names, to properties, and to what CommonJS exports. */
import type { Binder } from "./bind.ts";
import type { Scope, Site } from "./model.ts";
import { bare, keyName, type Node } from "./syntax.ts";

/** Notes where an assignment writes, and visits both of its sides. */
export function bindAssignment(
  binder: Binder,
  node: Extract<Node, { type: "AssignmentExpression" }>,
  scope: Scope,
): void {
  const target = bare(node.left);
  const site: Site = { node: node.right, scope };
  if (target.type === "Identifier") {
    binder.writes.name({ name: target.name, scope, site, appends: node.operator === "+=" });
    binder.named(node.right, scope, { names: [target.name] });
    return;
  }
  if (target.type === "MemberExpression") {
    const property = keyName(target.property, target.computed);
    if (property !== null && exportedAs(binder, target.object, property, site)) {
      binder.named(node.right, scope, { names: [property] });
      return;
    }
    binder.writes.property(target.object, property, site, scope);
    const member = bare(target.object).type === "ThisExpression" ? scope.self : null;
    binder.visit(target.object, scope);
    if (target.computed) binder.visit(target.property, scope);
    binder.named(node.right, scope, property === null ? {} : { names: [property], member });
    return;
  }
  binder.visit(node.left, scope);
  binder.visit(node.right, scope);
}

/** `module.exports = …`, `module.exports.name = …`, `exports.name = …`. */
function exportedAs(binder: Binder, object: Node, property: string, site: Site): boolean {
  const owner = bare(object);
  if (owner.type === "Identifier" && owner.name === "module" && property === "exports") {
    binder.file.commonjs = site;
    return true;
  }
  const isExports =
    (owner.type === "Identifier" && owner.name === "exports") ||
    (owner.type === "MemberExpression" &&
      owner.object.type === "Identifier" &&
      owner.object.name === "module" &&
      keyName(owner.property, owner.computed) === "exports");
  if (isExports) binder.file.exports.set(property, { kind: "site", site });
  return isExports;
}
