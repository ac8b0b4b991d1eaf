/** Classes: members, what is written to `this`, parameter properties. */
import type { Binder } from "./bind.ts";
import { docType } from "./bind-docs.ts";
import { declareType } from "./declare.ts";
import { type ClassInfo, type FunctionInfo, Scope, type Self, type Site } from "./model.ts";
import { bare, type ClassNode, isFunction, keyName, type Node } from "./syntax.ts";

const ROLES = { constructor: "constructor", get: "getter", set: "setter", method: "method" } as const;

/** @param names further names by which the class is known, for example its variable's */
export function bindClass(
  binder: Binder,
  node: ClassNode,
  outer: Scope,
  names: readonly string[],
): ClassInfo {
  const own = node.id?.name ?? null;
  const scope = new Scope(binder.file, outer, { fn: outer.fn, self: outer.self });
  if (node.typeParameters) declareType(binder, node.typeParameters, scope);
  const info: ClassInfo = {
    node,
    file: binder.file,
    name: own ?? names[0] ?? null,
    names: [...new Set([...(own === null ? [] : [own]), ...names])],
    scope,
    superClass: node.superClass === null ? null : { node: node.superClass, scope: outer },
    members: [],
    writes: [],
  };
  binder.file.classes.set(node, info);
  if (own !== null) {
    scope.names.set(own, { kind: "class", info });
    scope.types.set(own, { kind: "class", info });
  }
  if (node.superClass !== null) binder.visit(node.superClass, outer);
  for (const element of node.body.body) bindMember(binder, element, info);
  return info;
}

function bindMember(binder: Binder, element: Node, info: ClassInfo): void {
  const { scope } = info;
  switch (element.type) {
    case "StaticBlock": {
      const self: Self = { kind: "class", info, isStatic: true };
      binder.visitAll(element.body, new Scope(binder.file, scope, { fn: scope.fn, self, holdsVar: true }));
      return;
    }
    case "MethodDefinition":
    case "TSAbstractMethodDefinition": {
      const name = keyName(element.key, element.computed);
      if (element.computed) binder.visit(element.key, scope);
      const fn = binder.bindFunction(element.value, scope, {
        names: name === null ? [] : [name],
        label: `${info.name ?? "<class>"}.${name ?? "<computed>"}`,
        member: { kind: "class", info, isStatic: element.static },
        role: ROLES[element.kind],
      });
      if (element.kind === "constructor") bindParameterProperties(fn, info);
      if (name !== null) info.members.push({ ...NO_MEMBER, name, isStatic: element.static, fn });
      return;
    }
    case "PropertyDefinition":
    case "AccessorProperty":
    case "TSAbstractPropertyDefinition":
    case "TSAbstractAccessorProperty": {
      const name = keyName(element.key, element.computed);
      const self: Self = { kind: "class", info, isStatic: element.static };
      const inside = new Scope(binder.file, scope, { fn: scope.fn, self });
      const annotation: Site | null = element.typeAnnotation
        ? { node: element.typeAnnotation, scope: inside }
        : docType(binder.file, element.start, inside);
      const value: Site | null = element.value === null ? null : { node: element.value, scope: inside };
      const bareValue = element.value === null ? null : bare(element.value);
      let fn: FunctionInfo | null = null;
      if (bareValue !== null && isFunction(bareValue)) {
        fn = binder.bindFunction(bareValue, inside, {
          names: name === null ? [] : [name],
          label: `${info.name ?? "<class>"}.${name ?? "<computed>"}`,
          member: self,
          role: "method",
        });
      } else if (element.value !== null) binder.visit(element.value, inside);
      if (name === null) return;
      info.members.push({ ...NO_MEMBER, name, isStatic: element.static, value, fn, annotation });
      return;
    }
    default:
      return;
  }
}

const NO_MEMBER = { value: null, fn: null, annotation: null, parameter: null } as const;

/** `constructor(private readonly kv: KVNamespace)` declares a field. */
function bindParameterProperties(fn: FunctionInfo, info: ClassInfo): void {
  for (const parameter of fn.node.params) {
    if (parameter.type !== "TSParameterProperty") continue;
    const pattern = parameter.parameter;
    const target = pattern.type === "AssignmentPattern" ? pattern.left : pattern;
    if (target.type !== "Identifier") continue;
    const declared = fn.parameters.get(target.name);
    if (declared !== undefined) {
      info.members.push({ ...NO_MEMBER, name: target.name, isStatic: false, parameter: declared });
    }
  }
}
