/** The parts that follow values, which ask each other. */
import type { FunctionInfo, Program, Site, SourceFile } from "../program/index.ts";
import type { Bindings } from "./bindings.ts";
import { Callers } from "./callers.ts";
import { Calls } from "./calls.ts";
import { Expressions } from "./expressions.ts";
import { Guard, type Spent } from "./guard.ts";
import { Members } from "./members.ts";
import { Shapes } from "./shapes.ts";
import { TypeNames } from "./type-names.ts";
import { Types } from "./types.ts";
import { lineOf } from "../program/index.ts";

/** Files of which a value or a type can lead to a namespace. */
export interface Gate {
  /** Whether a type of the file can. */
  has(file: string): boolean;
  /** Whether a value of it can. */
  hasValues(file: string): boolean;
}

export class World {
  readonly program: Program;
  readonly bindings: Bindings;
  readonly guard: Guard;
  readonly expressions: Expressions;
  readonly members: Members;
  readonly types: Types;
  readonly typeNames: TypeNames;
  readonly shapes: Shapes;
  readonly calls: Calls;
  readonly callers: Callers;

  readonly #gate: Gate | null;

  /**
   * @param spent what is used of the steps of the scan
   * @param gate where to look for namespaces; without one, everywhere
   */
  constructor(program: Program, bindings: Bindings, spent: Spent, gate: Gate | null = null) {
    this.#gate = gate;
    this.program = program;
    this.bindings = bindings;
    this.guard = new Guard(spent);
    this.expressions = new Expressions(this);
    this.members = new Members(this);
    this.typeNames = new TypeNames(this);
    this.types = new Types(this);
    this.shapes = new Shapes(this);
    this.calls = new Calls(this);
    this.callers = new Callers(this);
  }

  /** The file that an import means; `null` when it is not in the tree, or behind the gate. */
  imported(from: SourceFile, specifier: string, what: "value" | "type" = "value"): SourceFile | null {
    const found = this.program.modules.resolve(from.path, specifier);
    if (found === null) return null;
    const gate = this.#gate;
    const isOpen = gate === null || (what === "type" ? gate.has(found) : gate.hasValues(found));
    return isOpen ? this.program.file(found) : null;
  }

  /** Whether an import means a file of the tree that is behind the gate. */
  isHidden(specifier: string, from: SourceFile): boolean {
    const found = this.program.modules.resolve(from.path, specifier);
    return found !== null && this.#gate !== null && !this.#gate.has(found);
  }
}

/** `src/store.ts:12`. */
export function placeOf({ node, scope: { file } }: Site): string {
  return `${file.path}:${lineOf(file.lineStarts, node.start)}`;
}

/** What people call a function: `SessionStore.save`. */
export function nameOf({ label, names }: FunctionInfo): string {
  return label === "" ? (names[0] ?? "<anonymous>") : label;
}
