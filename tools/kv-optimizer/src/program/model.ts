/** A file as the binder leaves it: scopes, declarations, functions, classes, calls. */
import type { DocParams, SourceComment } from "./comments.ts";
import type { CallNode, ClassNode, FunctionNode, Node } from "./syntax.ts";

/** An expression or a type, and the scope in which its names are looked up. */
export interface Site {
  readonly node: Node;
  readonly scope: Scope;
}

/** One step into a value that is taken apart: a property, an element, or what is left over. */
export interface Step {
  /** Name or index; `null` when it is computed. */
  readonly key: string | null;
  /** The key where it is computed, and its name is for the analysis to find. */
  readonly computed?: Site;
  readonly rest: boolean;
  /** `= value` of the pattern. */
  readonly fallback: Site | null;
}

/** Where the value of a name comes from, before `Declaration.path` is followed into it. */
export type Origin =
  | { readonly kind: "value"; readonly site: Site }
  /** An element of it: `for (const x of site)`; `for … in` has none. */
  | { readonly kind: "element"; readonly site: Site }
  | { readonly kind: "parameter"; readonly fn: FunctionInfo; readonly index: number; readonly rest: boolean }
  | { readonly kind: "nothing" };

/** `owner.property = site`. */
export interface PropertyWrite {
  readonly property: string | null;
  readonly site: Site;
}

/** A name that holds a value. */
export interface ValueDeclaration {
  readonly kind: "value";
  readonly name: string;
  readonly node: Node;
  readonly scope: Scope;
  readonly origin: Origin;
  readonly path: readonly Step[];
  /** Of the whole pattern; of JSDoc where the language has no types. */
  readonly annotation: Site | null;
  /** What is assigned to it later. */
  readonly assigned: Site[];
  /** What is added to its end: `name += site`. */
  readonly appended: Site[];
  /** Properties that are assigned, elements that are added (`set`, `push`, `add`: property `null`). */
  readonly writes: PropertyWrite[];
}

export type Declaration =
  | ValueDeclaration
  | { readonly kind: "function"; readonly info: FunctionInfo }
  | { readonly kind: "class"; readonly info: ClassInfo }
  | { readonly kind: "import"; readonly file: SourceFile; readonly source: string; readonly name: string }
  | { readonly kind: "enum"; readonly site: Site };

/** A name of a type. */
export type TypeDeclaration =
  | {
      readonly kind: "alias" | "interface";
      readonly name: string;
      readonly site: Site;
      readonly more: Site[];
    }
  | { readonly kind: "parameter"; readonly constraint: Site | null; readonly fallback: Site | null }
  | { readonly kind: "class"; readonly info: ClassInfo }
  | { readonly kind: "enum"; readonly site: Site }
  | { readonly kind: "import"; readonly file: SourceFile; readonly source: string; readonly name: string };

/** What `this` is. */
export type Self =
  | { readonly kind: "class"; readonly info: ClassInfo; readonly isStatic: boolean }
  | { readonly kind: "object"; readonly site: Site };

/** One arm of an `if`. */
export interface Arm {
  readonly branch: Node;
  readonly taken: boolean;
}

/** `name.property === text`, or that it is not. */
export interface Fact {
  readonly name: string;
  readonly property: string;
  readonly text: string;
  readonly holds: boolean;
}

export class Scope {
  readonly names = new Map<string, Declaration>();
  readonly types = new Map<string, TypeDeclaration>();
  readonly file: SourceFile;
  readonly parent: Scope | null;
  /** The function whose body this is in. */
  readonly fn: FunctionInfo | null;
  readonly self: Self | null;
  /** Whether `var` lands here. */
  readonly holdsVar: boolean;
  /** The arm of an `if` that this is. */
  readonly arm: Arm | null;
  /** What is known of names here, from an offset on. */
  readonly facts: { readonly from: number; readonly fact: Fact }[] = [];

  constructor(
    file: SourceFile,
    parent: Scope | null,
    {
      fn,
      self,
      holdsVar = false,
      arm = null,
    }: { fn: FunctionInfo | null; self: Self | null; holdsVar?: boolean; arm?: Arm | null },
  ) {
    this.file = file;
    this.parent = parent;
    this.fn = fn;
    this.self = self;
    this.holdsVar = holdsVar;
    this.arm = arm;
  }

  lookup(name: string): Declaration | null {
    return this.names.get(name) ?? this.parent?.lookup(name) ?? null;
  }

  /** The scope that declares a name. */
  home(name: string): Scope | null {
    return this.names.has(name) ? this : (this.parent?.home(name) ?? null);
  }

  lookupType(name: string): TypeDeclaration | null {
    return this.types.get(name) ?? this.parent?.lookupType(name) ?? null;
  }
}

export interface FunctionInfo {
  readonly node: FunctionNode;
  readonly file: SourceFile;
  /** Where it is written. */
  readonly outer: Scope;
  /** Names by which it is called: its own, its variable's, its property's. */
  readonly names: string[];
  /** For people: `SessionStore.save`. */
  readonly label: string;
  readonly returns: Site[];
  /** What is given; of `yield* others`, the expression as a whole. */
  readonly yields: Site[];
  /** The class or object whose member it is. */
  readonly member: Self | null;
  readonly role: "function" | "constructor" | "getter" | "setter" | "method";
  /** The call whose argument it is, written in place. */
  passed: { readonly call: CallRecord; readonly index: number } | null;
  /** A type that is written beside it: `const f: Handler = () => …`, `{…} satisfies T`. */
  annotation: Site | null;
  docParams: DocParams;
  /** The call of the function itself, where it is written: `(() => …)()`. */
  invoked: CallRecord | null;
  /** Those that are one name each. */
  readonly parameters: Map<string, ValueDeclaration>;
}

export interface ClassMember {
  readonly name: string;
  readonly isStatic: boolean;
  readonly value: Site | null;
  readonly fn: FunctionInfo | null;
  readonly annotation: Site | null;
  /** A parameter property: the parameter. */
  readonly parameter: ValueDeclaration | null;
}

export interface ClassInfo {
  readonly node: ClassNode;
  readonly file: SourceFile;
  readonly name: string | null;
  readonly names: string[];
  readonly scope: Scope;
  readonly superClass: Site | null;
  readonly members: ClassMember[];
  /** `this.property = …` anywhere in the class. */
  readonly writes: PropertyWrite[];
}

/** A loop, or the call of a function that calls its argument for each element. */
export interface LoopFrame {
  readonly node: Node;
  readonly scope: Scope;
  readonly outer: LoopFrame | null;
}

export interface CallRecord {
  readonly node: CallNode;
  readonly scope: Scope;
  readonly loops: LoopFrame | null;
  /** Offset at which the statement begins. */
  readonly statement: number;
}

/** A name that is handed over as a value: an argument, or a property of an object. */
export interface Reference {
  readonly scope: Scope;
  readonly use:
    | { readonly kind: "argument"; readonly call: CallRecord; readonly index: number }
    | { readonly kind: "property"; readonly key: string; readonly object: Site }
    | { readonly kind: "element"; readonly site: Site };
}

export type Export =
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "site"; readonly site: Site }
  | { readonly kind: "elsewhere"; readonly source: string; readonly name: string };

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Declarations count, calls do not. */
  readonly typesOnly: boolean;
  readonly root: Scope;
  readonly comments: readonly SourceComment[];
  readonly functions: Map<Node, FunctionInfo>;
  readonly classes: Map<Node, ClassInfo>;
  /** By the name that is called. */
  readonly calls: Map<string, CallRecord[]>;
  readonly references: Map<string, Reference[]>;
  readonly exports: Map<string, Export>;
  /** Has imports or exports; else its declarations are global. */
  readonly isModule: boolean;
  /** Names under which a method of KV may be kept: `const get = kv.get.bind(kv)`. */
  readonly methodNames: Set<string>;
  /** `this.property = …` in methods of objects that are written out, by the object. */
  readonly objectWrites: Map<Node, PropertyWrite[]>;
  /** `export * from`. */
  readonly stars: string[];
  /** `module.exports = …`. */
  commonjs: Site | null;
  /** Modules that are imported, whatever of them. */
  readonly sources: Set<string>;
  readonly lineStarts: readonly number[];
}
