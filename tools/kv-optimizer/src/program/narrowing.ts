/** What a condition says of the names in it: `target.kind === "kv"`. */
import type { Fact } from "./model.ts";
import { bare, keyName, type Node } from "./syntax.ts";

const EQUAL: Readonly<Record<string, boolean>> = { "===": true, "==": true, "!==": false, "!=": false };

/** The facts that follow when a condition is true, or when it is false. */
export function factsOf(test: Node, outcome: boolean): readonly Fact[] {
  const node = bare(test);
  if (node.type === "UnaryExpression" && node.operator === "!") return factsOf(node.argument, !outcome);
  if (node.type === "LogicalExpression") {
    // All of `a && b` holds when it is true; none of `a || b` when it is false.
    const follows = node.operator === "&&" ? outcome : node.operator === "||" ? !outcome : false;
    return follows ? [...factsOf(node.left, outcome), ...factsOf(node.right, outcome)] : [];
  }
  if (node.type !== "BinaryExpression") return [];
  const equal = EQUAL[node.operator];
  if (equal === undefined) return [];
  const [left, right] = [bare(node.left), bare(node.right)];
  const [member, text] = left.type === "MemberExpression" ? [left, right] : [right, left];
  if (member.type !== "MemberExpression" || text.type !== "Literal" || typeof text.value !== "string") {
    return [];
  }
  const object = bare(member.object);
  const property = keyName(member.property, member.computed);
  if (object.type !== "Identifier" || property === null) return [];
  return [{ name: object.name, property, text: text.value, holds: equal === outcome }];
}

/** Whether what follows a statement is not reached through it. */
export function leaves(statement: Node): boolean {
  switch (statement.type) {
    case "ReturnStatement":
    case "ThrowStatement":
    case "ContinueStatement":
    case "BreakStatement":
      return true;
    case "BlockStatement": {
      const last = statement.body.at(-1);
      return last !== undefined && leaves(last);
    }
    case "IfStatement":
      return statement.alternate !== null && leaves(statement.consequent) && leaves(statement.alternate);
    default:
      return false;
  }
}
