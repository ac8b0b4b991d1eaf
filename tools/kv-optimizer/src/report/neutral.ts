/**
 * Text from scanned sources, made harmless: file names, keys and reasons may hold
 * terminal escapes, or bidirectional controls that show a line as what it is not.
 */

/** Controls, invisible and bidirectional format characters, line and paragraph separators, halves of surrogate pairs. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** One line for people: harmful characters as `\u{202e}`, so that they are seen. */
export function neutral(text: string): string {
  return text.replace(HARMFUL, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function jsonEscape(character: string): string {
  if (character === "\n") return character;
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }).join("");
}

/** Serialised JSON that reads the same and holds no harmful character but its own line breaks. */
export function neutralJson(serialised: string): string {
  return serialised.replace(HARMFUL, jsonEscape);
}
