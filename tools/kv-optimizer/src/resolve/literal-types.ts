/** Strings that a type is written with. */
import type { Node } from "../program/index.ts";

/** `"A" | "B"` → `["A", "B"]`; nothing when other types are among them. */
export function literalTexts(node: Node): readonly string[] {
  if (
    node.type === "TSLiteralType" &&
    node.literal.type === "Literal" &&
    typeof node.literal.value === "string"
  ) {
    return [node.literal.value];
  }
  if (node.type === "TSUnionType") {
    const all = node.types.map(literalTexts);
    return all.some((texts) => texts.length === 0) ? [] : all.flat();
  }
  return [];
}
