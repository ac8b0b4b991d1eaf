/** Regular expressions where only their text is at hand. */

/** Where one ends that begins before `at`, with its slash; `null` when none does in this line. */
export function regexEnd(text: string, at: number): number | null {
  let isClass = false;
  for (let next = at; next < text.length; next += 1) {
    const code = text.charCodeAt(next);
    if (code === 0x5c) next += 1;
    else if (code === 0x0a || code === 0x0d || code === 0x2028 || code === 0x2029) return null;
    else if (code === 0x5b) isClass = true;
    else if (code === 0x5d) isClass = false;
    else if (code === 0x2f && !isClass) return next + 1;
  }
  return null;
}
