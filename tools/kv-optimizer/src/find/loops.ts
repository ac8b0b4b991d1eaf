/** Loops around a call, and how often they run. */
import type { Loop } from "../model.ts";
import {
  bare,
  lineOf,
  type LoopFrame,
  type Node,
  type PlacedDirective,
  type Site,
} from "../program/index.ts";
import { definitions, lookupIn, numberOf, type World } from "../resolve/index.ts";

/** Of a file: how often the loop of a line runs, as a comment says. */
export type LoopCounts = ReadonlyMap<number, number>;

/** What comments say of loops; of two that speak of one line, the first. */
export function countsOf(directives: readonly PlacedDirective[]): LoopCounts {
  const counts = new Map<number, number>();
  for (const { directive, target } of directives) {
    if (directive.kind === "loop" && !counts.has(target)) counts.set(target, directive.count);
  }
  return counts;
}

/** From the outermost. */
export function loopsOf(
  frame: LoopFrame | null,
  world: World,
  annotated: (file: string) => LoopCounts | undefined,
): readonly Loop[] {
  const loops: Loop[] = [];
  for (let at = frame; at !== null; at = at.outer) {
    const { node, scope } = at;
    const { lineStarts, path } = scope.file;
    const line = lineOf(lineStarts, node.start);
    const count = annotated(path)?.get(line) ?? countOf({ node, scope }, world);
    loops.push({ file: path, line, column: node.start - (lineStarts[line - 1] ?? 0) + 1, count });
  }
  return loops.toReversed();
}

/** How many elements a written-out list has, or how often a counting loop runs. */
function countOf({ node, scope }: Site, world: World): number | null {
  switch (node.type) {
    case "ForOfStatement":
      return lengthOf({ node: node.right, scope }, world);
    case "CallExpression": {
      const callee = bare(node.callee);
      return callee.type === "MemberExpression" ? lengthOf({ node: callee.object, scope }, world) : null;
    }
    case "ForStatement": {
      const [first] = node.init?.type === "VariableDeclaration" ? node.init.declarations : [];
      const { test } = node;
      if (!first?.init || test?.type !== "BinaryExpression" || !isStepOfOne(node.update)) return null;
      const from = numberOf({ node: first.init, scope }, lookupIn(world));
      const to = numberOf({ node: test.right, scope }, lookupIn(world));
      if (from === null || to === null) return null;
      const extra = test.operator === "<=" ? 1 : test.operator === "<" ? 0 : Number.NaN;
      const count = to - from + extra;
      return Number.isInteger(count) && count >= 0 ? count : null;
    }
    default:
      return null;
  }
}

function isStepOfOne(node: Node | null): boolean {
  return node?.type === "UpdateExpression" && node.operator === "++";
}

function lengthOf(site: Site, world: World): number | null {
  const [only, second] = definitions(site, lookupIn(world));
  if (only === undefined || second !== undefined || only.kind !== "expression") return null;
  const node = bare(only.site.node);
  if (node.type !== "ArrayExpression" || node.elements.some((element) => element?.type === "SpreadElement")) {
    return null;
  }
  return node.elements.length;
}
