/** Names of types: what declares them, in their module or everywhere. */
import {
  bare,
  type Declaration,
  keyName,
  type Node,
  type Scope,
  type Site,
  type TypeDeclaration,
} from "../program/index.ts";
import { literalTexts } from "./literal-types.ts";
import type { World } from "./world.ts";

/** What declaration files and scripts make known everywhere. */
interface Globals {
  readonly types: Map<string, TypeDeclaration>;
  readonly values: Map<string, Declaration>;
}

export class TypeNames {
  readonly #world: World;
  #globals: Globals | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** What declares a name for code in `scope`; `null` when the tree does not. */
  declared(name: string, scope: Scope): TypeDeclaration | null {
    return scope.lookupType(name) ?? this.#readGlobals().types.get(name) ?? null;
  }

  /** An exported type of a module, through barrels. */
  exported(
    file: Scope["file"],
    name: string,
    depth = 0,
  ): { readonly declared: TypeDeclaration; readonly name: string } | null {
    if (depth > 20) return null;
    const found = file.exports.get(name);
    if (found?.kind === "local" || found === undefined) {
      const local = found?.name ?? name;
      const declared = file.root.types.get(local);
      // An interface is exported by its name alone; a star may hide behind it.
      if (declared !== undefined) return { declared, name: local };
    }
    if (found?.kind === "site") {
      const node = bare(found.site.node);
      const declared =
        "id" in node && node.id?.type === "Identifier" ? file.root.types.get(node.id.name) : undefined;
      if (declared !== undefined) return { declared, name };
    }
    if (found?.kind === "elsewhere") {
      const module = this.#world.imported(file, found.source, "type");
      return module === null || found.name === "*" ? null : this.exported(module, found.name, depth + 1);
    }
    for (const source of file.stars) {
      const module = this.#world.imported(file, source, "type");
      const behind = module === null ? null : this.exported(module, name, depth + 1);
      if (behind !== null) return behind;
    }
    return null;
  }

  /** A type of that name which a module of the program declares, and not the platform. */
  isOwn(declared: TypeDeclaration | null): boolean {
    if (declared === null) return false;
    if (declared.kind === "import") {
      const module = this.#world.imported(declared.file, declared.source, "type");
      const found = module === null ? null : this.exported(module, declared.name);
      return found !== null && this.isOwn(found.declared);
    }
    if (declared.kind === "class") return true;
    if (declared.kind !== "interface" && declared.kind !== "alias") return false;
    const { file } = declared.site.scope;
    return file.isModule && !/\.d\.[cm]?ts$/.test(file.path);
  }

  /** The strings that a type allows, through its name. */
  texts({ node, scope }: Site, depth = 0): readonly string[] {
    if (node.type !== "TSTypeReference") return literalTexts(node);
    const name = lastName(node.typeName);
    const declared = name === null || depth > 8 ? null : this.declared(name, scope);
    if (declared?.kind !== "alias" || declared.site.node.type !== "TSTypeAliasDeclaration") return [];
    return this.texts({ node: declared.site.node.typeAnnotation, scope: declared.site.scope }, depth + 1);
  }

  /** A value that a declaration file makes global. */
  globalValue(name: string): Declaration | null {
    return this.#readGlobals().values.get(name) ?? null;
  }

  #readGlobals(): Globals {
    if (this.#globals !== null) return this.#globals;
    const globals: Globals = { types: new Map(), values: new Map() };
    this.#globals = globals;
    for (const file of this.#world.program.where(mayDeclareGlobals)) {
      const declaresGlobals = file.text.includes("declare global");
      if (file.isModule && !declaresGlobals) continue;
      for (const [name, declared] of file.root.types) {
        if (!globals.types.has(name) && declared.kind !== "import") globals.types.set(name, declared);
      }
      if (!/\.d\.[cm]?ts$/.test(file.path) && !declaresGlobals) continue;
      for (const [name, declared] of file.root.names) {
        if (declared.kind === "value") globals.values.set(name, declared);
      }
    }
    return globals;
  }
}

/** Whether a text names namespaces, and is either no module or declares globals. */
function mayDeclareGlobals(text: string): boolean {
  if (!text.includes("KVNamespace")) return false;
  return text.includes("declare global") || !/^(?:import|export)\b/m.test(text);
}

/** `T` of `a.b.T`. */
export function lastName(node: Node): string | null {
  if (node.type === "Identifier") return node.name;
  if (node.type === "TSQualifiedName") return node.right.name;
  if (node.type === "MemberExpression") return keyName(node.property, node.computed);
  return null;
}
