/** JSX where only its text is at hand: where elements begin, and where their tags end. */

/** After `<`: a name or a fragment … */
const TAG = /\s*(?:[\p{ID_Start}$_>]|\/[*/])/uy;
/** … and no parameter list of a generic arrow function: `<T,>(…) =>`, `<T extends U>(…) =>`. */
const PARAMETERS = /\s*(?:const\s+)?[\p{ID_Continue}$]+\s*(?:,|extends\s+[^\s=>/])/uy;
const CLOSING = /\s*\//y;
const TAG_END = /\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n\r\u2028\u2029]*|>/g;

function matches(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

/** Whether a file can hold elements at all: each is closed. */
export function mayHoldJsx(text: string): boolean {
  return /<\s*\/|\/\s*>/.test(text);
}

/** Whether `<`, which stands before `at`, begins an element where a value is expected. */
export function opensElement(text: string, at: number): boolean {
  return matches(TAG, text, at) && !matches(PARAMETERS, text, at);
}

/** Where the tag ends of which `</` is the beginning; `null` of one that opens. `<` stands before `at`. */
export function closingTagEnd(text: string, at: number): number | null {
  if (!matches(CLOSING, text, at)) return null;
  TAG_END.lastIndex = CLOSING.lastIndex;
  for (let found = TAG_END.exec(text); found !== null; found = TAG_END.exec(text)) {
    if (found[0] === ">") return TAG_END.lastIndex;
  }
  return text.length;
}

/** Where the `/>` ends that begins before `at`; `null` when it is none. */
export function selfClosingEnd(text: string, at: number): number | null {
  const end = /\s*>/y;
  end.lastIndex = at;
  return end.test(text) ? end.lastIndex : null;
}
