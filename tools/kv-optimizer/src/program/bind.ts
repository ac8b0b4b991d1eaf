/** The binder: one walk over a syntax tree that notes scopes, declarations, functions, classes, calls and exports. */
import { docBefore, docParam, docType } from "./bind-docs.ts";
import { bindAssignment } from "./bind-assignment.ts";
import { bindClass } from "./bind-class.ts";
import { bindExport, bindImport } from "./bind-module.ts";
import { bindObject, isMethodOf } from "./bind-object.ts";
import { declarePattern, declareType } from "./declare.ts";
import { type DocParams, docParamsOf } from "./comments.ts";
import { factsOf, leaves } from "./narrowing.ts";
import { listAt, Writes } from "./writes.ts";
import {
  type CallRecord,
  type FunctionInfo,
  type LoopFrame,
  Scope,
  type Self,
  type Site,
  type SourceFile,
} from "./model.ts";
import {
  bare,
  calleeName,
  type CallNode,
  eachChild,
  type FunctionNode,
  isFunction,
  keyName,
  type Node,
} from "./syntax.ts";

/** Methods that call their argument for each element. */
export const ITERATORS: ReadonlySet<string> = new Set([
  "map",
  "forEach",
  "filter",
  "flatMap",
  "some",
  "every",
  "find",
  "findIndex",
  "findLast",
  "reduce",
  "reduceRight",
]);

/** Methods that add to a collection, and which argument they add. */
const ADDERS: ReadonlyMap<string, number> = new Map([
  ["set", 1],
  ["push", 0],
  ["unshift", 0],
  ["add", 0],
]);

/** Names of a function, and what is said of it where it is written. */
export interface FunctionHints {
  readonly names?: readonly string[];
  readonly member?: Self | null;
  readonly role?: FunctionInfo["role"];
  readonly annotation?: Site | null;
  readonly label?: string;
  readonly docParams?: DocParams;
}

export class Binder {
  readonly file: SourceFile;
  #loops: LoopFrame | null = null;
  #statement = 0;
  readonly writes: Writes;

  constructor(file: SourceFile) {
    this.file = file;
    this.writes = new Writes(file);
  }

  /** Hands assignments to the declarations, which are all known now. */
  finish(): void {
    this.writes.settle();
  }

  visitAll(nodes: readonly (Node | null)[], scope: Scope): void {
    for (const node of nodes) if (node !== null) this.visit(node, scope);
  }

  visit(node: Node, scope: Scope): void {
    switch (node.type) {
      case "ImportDeclaration":
        bindImport(this.file, node);
        return;
      case "ExportNamedDeclaration":
      case "ExportDefaultDeclaration":
      case "ExportAllDeclaration":
      case "TSExportAssignment":
        this.#statement = node.start;
        bindExport(this, node, scope);
        return;
      case "FunctionDeclaration":
      case "TSDeclareFunction": {
        const info = this.bindFunction(node, scope, { names: node.id === null ? [] : [node.id.name] });
        if (node.id !== null) scope.names.set(node.id.name, { kind: "function", info });
        return;
      }
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        this.bindFunction(node, scope, {});
        return;
      case "ClassDeclaration":
      case "ClassExpression": {
        const info = bindClass(this, node, scope, []);
        if (node.type === "ClassDeclaration" && node.id !== null) {
          scope.names.set(node.id.name, { kind: "class", info });
          scope.types.set(node.id.name, { kind: "class", info });
        }
        return;
      }
      case "VariableDeclaration":
        this.#statement = node.start;
        for (const declarator of node.declarations) {
          this.#declarator(node.kind, declarator, scope, node.start);
        }
        return;
      case "TSTypeAliasDeclaration":
      case "TSInterfaceDeclaration":
      case "TSEnumDeclaration":
      case "TSModuleDeclaration":
        declareType(this, node, scope);
        return;
      case "BlockStatement":
      case "StaticBlock":
        this.visitBlock(node.body, this.inner(scope));
        return;
      case "IfStatement":
        this.visit(node.test, scope);
        this.#arm(node, node.consequent, true, scope);
        if (node.alternate !== null) this.#arm(node, node.alternate, false, scope);
        return;
      case "SwitchStatement": {
        this.visit(node.discriminant, scope);
        const inside = this.inner(scope);
        // A case is a way of its own: what it assigns, another may not see.
        for (const { test, consequent } of node.cases) {
          if (test !== null) this.visit(test, inside);
          this.visitBlock(consequent, this.inner(inside));
        }
        return;
      }
      case "UnaryExpression":
        if (node.operator === "delete") this.#deletion(node.argument, scope);
        break;
      case "ForStatement": {
        const inside = this.inner(scope);
        if (node.init !== null) this.visit(node.init, inside);
        this.#looped(node, inside, () => this.visitAll([node.test, node.update, node.body], inside));
        return;
      }
      case "ForOfStatement":
      case "ForInStatement":
        this.#forEach(node, scope);
        return;
      case "WhileStatement":
      case "DoWhileStatement":
        this.#looped(node, scope, () => this.visitAll([node.test, node.body], scope));
        return;
      case "CatchClause": {
        const inside = this.inner(scope);
        if (node.param !== null) {
          declarePattern(node.param, inside, { origin: { kind: "nothing" }, annotation: null });
        }
        this.visit(node.body, inside);
        return;
      }
      case "ReturnStatement":
        this.#statement = node.start;
        if (node.argument !== null) {
          scope.fn?.returns.push({ node: node.argument, scope });
          this.visit(node.argument, scope);
        }
        return;
      case "ExpressionStatement":
        this.#statement = node.start;
        this.visit(node.expression, scope);
        return;
      case "YieldExpression":
        if (node.argument !== null) {
          scope.fn?.yields.push({ node: node.delegate ? node : node.argument, scope });
        }
        break;
      case "CallExpression":
      case "NewExpression":
        this.#call(node, scope);
        return;
      case "AssignmentExpression":
        bindAssignment(this, node, scope);
        return;
      case "ObjectExpression":
        bindObject(this, node, scope);
        return;
      case "ArrayExpression":
        for (const element of node.elements) {
          const value = element === null ? null : bare(element);
          if (value?.type !== "Identifier") continue;
          const site: Site = { node: value, scope };
          listAt(this.file.references, value.name).push({ scope, use: { kind: "element", site } });
        }
        break;
      default:
        break;
    }
    eachChild(node, (child) => this.visit(child, scope));
  }

  /** Statements one after the other: what an `if` that leaves has ruled out holds for those that follow. */
  visitBlock(statements: readonly Node[], scope: Scope): void {
    for (const statement of statements) {
      this.visit(statement, scope);
      if (statement.type === "IfStatement" && statement.alternate === null && leaves(statement.consequent)) {
        for (const fact of factsOf(statement.test, false)) scope.facts.push({ from: statement.end, fact });
      }
    }
  }

  #arm(branch: Node & { readonly type: "IfStatement" }, body: Node, taken: boolean, scope: Scope): void {
    const inside = new Scope(this.file, scope, { fn: scope.fn, self: scope.self, arm: { branch, taken } });
    for (const fact of factsOf(branch.test, taken)) inside.facts.push({ from: body.start, fact });
    if (body.type === "BlockStatement") this.visitBlock(body.body, inside);
    else this.visit(body, inside);
  }

  /** `delete options.expirationTtl`: from there on it is undefined. */
  #deletion(target: Node, scope: Scope): void {
    const member = bare(target);
    if (member.type !== "MemberExpression") return;
    const property = keyName(member.property, member.computed);
    const site: Site = {
      node: { type: "Identifier", name: "undefined", start: target.start, end: target.end },
      scope,
    };
    if (property !== null) this.writes.property(member.object, property, site, scope);
  }

  /** A block's scope. */
  inner(scope: Scope): Scope {
    return new Scope(this.file, scope, { fn: scope.fn, self: scope.self });
  }

  /** Visits the value of a name, which a function or class then has as a name of its own. */
  named(value: Node, scope: Scope, hints: FunctionHints): void {
    const node = bare(value);
    if (isFunction(node)) this.bindFunction(node, scope, hints);
    else if (node.type === "ClassExpression") bindClass(this, node, scope, hints.names ?? []);
    else this.visit(value, scope);
  }

  bindFunction(node: FunctionNode, outer: Scope, hints: FunctionHints): FunctionInfo {
    const own = node.id?.name;
    const names = [...new Set([...(own === undefined ? [] : [own]), ...(hints.names ?? [])])];
    const doc = docBefore(this.file, node.start);
    const info: FunctionInfo = {
      node,
      file: this.file,
      outer,
      names,
      label: hints.label ?? [outer.fn?.label, names.at(-1)].filter((part) => part !== undefined).join("."),
      returns: [],
      yields: [],
      member: hints.member ?? null,
      role: hints.role ?? "function",
      passed: null,
      parameters: new Map(),
      annotation: hints.annotation ?? null,
      docParams: hints.docParams ?? (doc === null ? NO_DOC : docParamsOf(doc)),
      invoked: null,
    };
    this.file.functions.set(node, info);
    // Arrow functions have the `this` of where they are written.
    const self = node.type === "ArrowFunctionExpression" ? outer.self : (hints.member ?? null);
    const scope = new Scope(this.file, outer, { fn: info, self, holdsVar: true });
    if (node.type === "FunctionExpression" && own !== undefined) {
      scope.names.set(own, { kind: "function", info });
    }
    if (node.typeParameters) declareType(this, node.typeParameters, scope);
    const loops = this.#loops;
    this.#loops = null;
    const statement = this.#statement;
    const [receiver] = node.params;
    // `function (this: T)`: no argument stands for it.
    const hasThis = receiver?.type === "Identifier" && receiver.name === "this";
    node.params.forEach((parameter, position) => {
      const index = hasThis ? position - 1 : position;
      const pattern = parameter.type === "TSParameterProperty" ? parameter.parameter : parameter;
      const rest = pattern.type === "RestElement";
      const named = bare(pattern.type === "AssignmentPattern" ? pattern.left : pattern);
      const declared = declarePattern(pattern, scope, {
        origin: { kind: "parameter", fn: info, index, rest },
        annotation: docParam(info.docParams, named.type === "Identifier" ? named.name : null, index, scope),
      });
      if (declared !== null) info.parameters.set(declared.name, declared);
      if (pattern.type === "AssignmentPattern") this.visit(pattern.right, scope);
    });
    const { body } = node;
    if (body !== null && body.type === "BlockStatement") this.visitBlock(body.body, scope);
    else if (body !== null) {
      info.returns.push({ node: body, scope });
      this.visit(body, scope);
    }
    this.#loops = loops;
    this.#statement = statement;
    return info;
  }

  #declarator(
    kind: string,
    { id, init }: Extract<Node, { type: "VariableDeclarator" }>,
    scope: Scope,
    start: number,
  ): void {
    const target = kind === "var" ? varScope(scope) : scope;
    const doc = docBefore(this.file, start);
    const annotation =
      "typeAnnotation" in id && id.typeAnnotation
        ? { node: id.typeAnnotation, scope }
        : docType(this.file, start, scope);
    const name = id.type === "Identifier" ? id.name : null;
    const value = init === null ? null : bare(init);
    if (init !== null && value !== null && name !== null) {
      if (isFunction(value)) {
        const docParams = doc === null ? NO_DOC : docParamsOf(doc);
        const info = this.bindFunction(value, scope, {
          names: [name],
          annotation: annotation ?? satisfied(init, scope),
          docParams,
        });
        target.names.set(name, { kind: "function", info });
        return;
      }
      if (value.type === "ClassExpression") {
        const info = bindClass(this, value, scope, [name]);
        target.names.set(name, { kind: "class", info });
        return;
      }
    }
    if (name !== null && value !== null && isMethodOf(value)) this.file.methodNames.add(name);
    declarePattern(id, target, {
      origin: init === null ? { kind: "nothing" } : { kind: "value", site: { node: init, scope } },
      annotation,
      lookup: scope,
    });
    if (init !== null) this.visit(init, scope);
    if (id.type !== "Identifier") eachChild(id, (child) => this.visit(child, scope));
  }

  #looped(node: Node, scope: Scope, body: () => void): void {
    const outer = this.#loops;
    this.#loops = { node, scope, outer };
    body();
    this.#loops = outer;
  }

  #forEach(node: Extract<Node, { type: "ForOfStatement" | "ForInStatement" }>, scope: Scope): void {
    const inside = this.inner(scope);
    const site: Site = { node: node.right, scope };
    this.visit(node.right, scope);
    if (node.left.type === "VariableDeclaration") {
      for (const { id } of node.left.declarations) {
        declarePattern(id, inside, {
          origin: node.type === "ForOfStatement" ? { kind: "element", site } : { kind: "nothing" },
          annotation: null,
        });
      }
    }
    this.#looped(node, inside, () => this.visit(node.body, inside));
  }

  #call(node: CallNode, scope: Scope): void {
    const record: CallRecord = { node, scope, loops: this.#loops, statement: this.#statement };
    const name = calleeName(node.callee);
    if (name !== null) listAt(this.file.calls, name).push(record);
    const called = bare(node.callee);
    if (isFunction(called)) {
      this.bindFunction(called, scope, { label: scope.fn?.label ?? "" }).invoked = record;
    } else this.visit(node.callee, scope);
    if (node.callee.type === "Identifier" && node.callee.name === "require") this.#require(node);
    this.#addition(node, name, scope);
    const iterates = name !== null && ITERATORS.has(name) && bare(node.callee).type === "MemberExpression";
    node.arguments.forEach((argument, index) => {
      const value = bare(argument);
      if (isFunction(value)) {
        const outer = this.#loops;
        const info = this.bindFunction(value, scope, { label: scope.fn?.label ?? "" });
        info.passed = { call: iterates ? { ...record, loops: { node, scope, outer } } : record, index };
        return;
      }
      if (value.type === "Identifier") {
        listAt(this.file.references, value.name).push({
          scope,
          use: { kind: "argument", call: record, index },
        });
      } else if (value.type === "MemberExpression") {
        const member = keyName(value.property, value.computed);
        if (member !== null) {
          listAt(this.file.references, member).push({
            scope,
            use: { kind: "argument", call: record, index },
          });
        }
      }
      this.visit(argument, scope);
    });
  }

  #require(node: CallNode): void {
    const [source] = node.arguments;
    if (source?.type === "Literal" && typeof source.value === "string") this.file.sources.add(source.value);
  }

  /** `map.set(key, value)` and the like, on a name or a field. */
  #addition(node: CallNode, name: string | null, scope: Scope): void {
    const index = name === null ? undefined : ADDERS.get(name);
    const callee = bare(node.callee);
    if (callee.type === "MemberExpression" && name === "assign" && calleeName(callee.object) === "Object") {
      const [target, ...parts] = node.arguments;
      if (target !== undefined) {
        for (const part of parts) this.writes.property(target, ASSIGNED, { node: part, scope }, scope);
      }
      return;
    }
    if (index === undefined || callee.type !== "MemberExpression") return;
    const value = node.arguments[index];
    if (value !== undefined) this.writes.property(callee.object, null, { node: value, scope }, scope);
  }
}

/** Property under which `Object.assign(name, site)` is noted. */
export const ASSIGNED = "{assigned}";

const NO_DOC: DocParams = [];

/** The type of `{…} satisfies T` or `(…) as T`. */
function satisfied(node: Node, scope: Scope): Site | null {
  if (node.type === "TSSatisfiesExpression" || node.type === "TSAsExpression") {
    return { node: node.typeAnnotation, scope };
  }
  return null;
}

function varScope(scope: Scope): Scope {
  let at = scope;
  while (!at.holdsVar && at.parent !== null) at = at.parent;
  return at;
}
