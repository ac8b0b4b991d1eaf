/** Types that JSDoc comments give to what they stand before. */
import { type DocParams, docTypeOf, type SourceComment } from "./comments.ts";
import type { Scope, Site, SourceFile } from "./model.ts";
import { parseType } from "./type-text.ts";

/** What may stand between a comment and what it speaks of. */
const MODIFIERS =
  /^\s*(?:(?:export|default|const|let|var|async|static|readonly|private|public|protected)\s+)*$/;
/** Blanks and modifiers that are longer say nothing any more. */
const MAX_MODIFIERS = 200;

/** The JSDoc comment right before an offset. */
export function docBefore({ comments, text }: SourceFile, offset: number): string | null {
  const found = lastBefore(comments, offset);
  if (found === undefined || !found.text.startsWith("*") || offset - found.end > MAX_MODIFIERS) return null;
  return MODIFIERS.test(text.slice(found.end, offset)) ? found.text : null;
}

/** The type of a JSDoc comment right before an offset. */
export function docType(file: SourceFile, offset: number, scope: Scope): Site | null {
  const doc = docBefore(file, offset);
  const text = doc === null ? null : docTypeOf(doc);
  return text === null ? null : docSite(text, scope);
}

function docSite(text: string, scope: Scope): Site | null {
  const node = parseType(text);
  return node === null ? null : { node, scope };
}

/** By name, or by place where the parameter is taken apart. */
export function docParam(params: DocParams, name: string | null, index: number, scope: Scope): Site | null {
  const found = name === null ? params[index] : params.find((param) => param.name === name);
  return found === undefined ? null : docSite(found.type, scope);
}

/** The last comment that ends at an offset or before it. */
function lastBefore(comments: readonly SourceComment[], offset: number): SourceComment | undefined {
  let low = 0;
  let high = comments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((comments[middle]?.end ?? Infinity) <= offset) low = middle + 1;
    else high = middle;
  }
  return comments[low - 1];
}
