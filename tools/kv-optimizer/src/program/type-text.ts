/** Types that stand in comments. */
import { parseSync } from "oxc-parser";
import { refuseDepth } from "./depth.ts";
import { DepthError } from "./nesting.ts";
import type { Node } from "./syntax.ts";

const MAX_LENGTH = 10_000;

/** The declarations of a text that stands in a comment; nothing where it is none. */
export function parseDeclarations(text: string): readonly Node[] {
  if (text.length > MAX_LENGTH) return [];
  try {
    refuseDepth(text, false);
  } catch (error) {
    if (!(error instanceof DepthError)) throw error;
    return [];
  }
  const { program, errors } = parseSync("comment.ts", text, {
    lang: "ts",
    astType: "ts",
    preserveParens: false,
  });
  return errors.length === 0 ? program.body : [];
}

/** The type that a text means, as JSDoc writes it; `null` when it is none. */
export function parseType(text: string): Node | null {
  const written = text.replace(/^[?!]/, "").replace(/=$/, "");
  const [declaration] = parseDeclarations(`type Written = ${written};`);
  return declaration?.type === "TSTypeAliasDeclaration" ? declaration.typeAnnotation : null;
}
