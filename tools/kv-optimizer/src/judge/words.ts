/**
 * Names as words, so that `lock` is found in `acquireLock` and `lock:{id}`, and not in `block`,
 * `clock` or `blockchain`.
 */

/**
 * The words of a name or a key, in lower case: split at whatever is no letter, at humps
 * (`lastSyncAt`, `APIKey`) and at digits.
 */
export function wordsOf(text: string): readonly string[] {
  return text
    .replaceAll(/oauth/gi, "Oauth")
    .replaceAll(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== "");
}

/** Words in a row: `last run`. Each may stand in the plural. */
export type Phrase = string;

/** Whether the words of a phrase stand in `words` from `start` on. */
export function standsAt(words: readonly string[], start: number, phrase: readonly string[]): boolean {
  return phrase.every((word, index) => isForm(words[start + index], word));
}

/** Whether the words of a phrase stand anywhere in `words`. */
export function contains(words: readonly string[], phrase: readonly string[]): boolean {
  return words.some((_, start) => standsAt(words, start, phrase));
}

/** What a word may be the plural of, itself included. */
export function singularsOf(word: string): readonly string[] {
  if (!word.endsWith("s")) return [word];
  return word.endsWith("es") ? [word, word.slice(0, -1), word.slice(0, -2)] : [word, word.slice(0, -1)];
}

function isForm(found: string | undefined, word: string): boolean {
  return found === word || found === `${word}s` || found === `${word}es`;
}

/** A key pattern without its placeholders, for `session:{userId}` the literal `session:`. */
export function literalOf(pattern: string): string {
  return pattern.replaceAll(/\{[^{}]*\}/g, " ");
}

/** What stands in the placeholders of a key pattern, for `session:{userId}` the name `userId`. */
export function placeholdersOf(pattern: string): string {
  return Array.from(pattern.matchAll(/\{([^{}]*)\}/g), ([, name]) => name ?? "").join(" ");
}

/** A call may hold a whole program in its arguments; its key stands in front. */
const MAX_CODE = 4_096;

/**
 * The first argument of a call, of its canonical text. Values and options say what is stored,
 * not what it is for: `put("page", JSON.stringify({ count }))` is no counter.
 */
export function keyArgumentOf(call: string, operation: string): string {
  const code = call.slice(0, MAX_CODE);
  const method = new RegExp(`[.\\]]\\s*${operation}\\b(?:<[^(]*>)?\\s*\\(`).exec(code);
  if (method === null) return "";
  const start = method.index + method[0].length;
  let depth = 0;
  for (let at = start; at < code.length; at++) {
    const char = code[at] ?? "";
    if ("([{".includes(char)) depth++;
    else if (")]}".includes(char) && depth-- === 0) return code.slice(start, at);
    else if (char === "," && depth === 0) return code.slice(start, at);
  }
  return code.slice(start);
}
