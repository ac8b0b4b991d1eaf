/** What the parameters of a function stand for in one call of it. */
import {
  bare,
  type CallNode,
  type FunctionInfo,
  type Scope,
  type Site,
  type ValueDeclaration,
} from "../program/index.ts";

export type Frame = ReadonlyMap<ValueDeclaration, Site>;
export const NO_FRAME: Frame = new Map();

/** @param outer what the names of the caller stand for themselves */
export function frameOf(fn: FunctionInfo, node: CallNode, scope: Scope, outer: Frame): Frame {
  const frame = new Map<ValueDeclaration, Site>();
  for (const declared of fn.parameters.values()) {
    if (declared.origin.kind !== "parameter") continue;
    const argument = node.arguments[declared.origin.index];
    if (argument === undefined || argument.type === "SpreadElement") continue;
    // A parameter that is handed on stands for what it was handed itself.
    const value = bare(argument);
    const known = value.type === "Identifier" ? scope.lookup(value.name) : null;
    frame.set(
      declared,
      (known?.kind === "value" ? outer.get(known) : undefined) ?? { node: argument, scope },
    );
  }
  return frame;
}
