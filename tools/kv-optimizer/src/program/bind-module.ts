/** Imports and exports. */
import type { Binder } from "./bind.ts";
import { bindClass } from "./bind-class.ts";
import type { Scope, SourceFile } from "./model.ts";
import { bare, isFunction, type Node } from "./syntax.ts";

const exportedName = (node: Node): string =>
  node.type === "Identifier" ? node.name : node.type === "Literal" ? String(node.value) : "";

/** Declares what an import brings in, as a value and as a type. */
export function bindImport(file: SourceFile, node: Extract<Node, { type: "ImportDeclaration" }>): void {
  const source = node.source.value;
  file.sources.add(source);
  for (const specifier of node.specifiers) {
    const name =
      specifier.type === "ImportSpecifier"
        ? exportedName(specifier.imported)
        : specifier.type === "ImportDefaultSpecifier"
          ? "default"
          : "*";
    const declared = { kind: "import", file, source, name } as const;
    file.root.names.set(specifier.local.name, declared);
    file.root.types.set(specifier.local.name, declared);
  }
}

type ExportNode = Extract<
  Node,
  {
    type:
      | "ExportNamedDeclaration"
      | "ExportDefaultDeclaration"
      | "ExportAllDeclaration"
      | "TSExportAssignment";
  }
>;

export function bindExport(binder: Binder, node: ExportNode, scope: Scope): void {
  const { file } = binder;
  switch (node.type) {
    case "ExportAllDeclaration":
      file.sources.add(node.source.value);
      if (node.exported === null) file.stars.push(node.source.value);
      else {
        file.exports.set(exportedName(node.exported), {
          kind: "elsewhere",
          source: node.source.value,
          name: "*",
        });
      }
      return;
    case "TSExportAssignment":
      file.commonjs = { node: node.expression, scope };
      binder.visit(node.expression, scope);
      return;
    case "ExportDefaultDeclaration": {
      const value = bare(node.declaration);
      if (value.type === "FunctionDeclaration" || isFunction(value)) {
        const info = binder.bindFunction(value, scope, { names: ["default"] });
        const own = value.id?.name;
        if (own !== undefined) scope.names.set(own, { kind: "function", info });
      } else if (value.type === "ClassDeclaration" || value.type === "ClassExpression") {
        const info = bindClass(binder, value, scope, ["default"]);
        const own = value.id?.name;
        if (own !== undefined) {
          scope.names.set(own, { kind: "class", info });
          scope.types.set(own, { kind: "class", info });
        }
      } else if (value.type === "TSInterfaceDeclaration") {
        binder.visit(value, scope);
        file.exports.set("default", { kind: "local", name: value.id.name });
        return;
      } else binder.visit(node.declaration, scope);
      file.exports.set("default", { kind: "site", site: { node: node.declaration, scope } });
      return;
    }
    case "ExportNamedDeclaration":
      if (node.source !== null) {
        file.sources.add(node.source.value);
        for (const { local, exported } of node.specifiers) {
          file.exports.set(exportedName(exported), {
            kind: "elsewhere",
            source: node.source.value,
            name: exportedName(local),
          });
        }
        return;
      }
      for (const { local, exported } of node.specifiers) {
        file.exports.set(exportedName(exported), { kind: "local", name: exportedName(local) });
      }
      if (node.declaration !== null) exportDeclaration(binder, node.declaration, scope);
      return;
    default:
      return node satisfies never;
  }
}

function exportDeclaration(binder: Binder, node: Node, scope: Scope): void {
  const names = new Set(scope.names.keys());
  binder.visit(node, scope);
  const exported = (name: string): void => {
    binder.file.exports.set(name, { kind: "local", name });
  };
  if ("id" in node && node.id?.type === "Identifier") exported(node.id.name);
  else for (const name of scope.names.keys()) if (!names.has(name)) exported(name);
}
