import ignore from "ignore";

type Matcher = ReturnType<typeof ignore>;

/** The rules of one .gitignore, and those of the folders around it. */
export interface IgnoreRules {
  /** The folder of the .gitignore. */
  readonly folder: string;
  readonly matcher: Matcher;
  readonly outer: IgnoreRules | null;
}

export interface ReadRules {
  readonly rules: IgnoreRules;
  /** Patterns that are not applied because they could take for ever. */
  readonly refused: number;
}

const MAX_PATTERNS = 2_000;
const MAX_PATTERN_LENGTH = 1_024;
/** Matching backtracks: a name of 255 letters costs its length to the power of the stars. */
const MAX_STARS = 6;
const MAX_STARS_OF_SEGMENT = 3;

/** Reads the patterns of a .gitignore. */
export function readIgnoreRules(text: string, folder: string, outer: IgnoreRules | null): ReadRules {
  const patterns = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const accepted = patterns.slice(0, MAX_PATTERNS).filter(isHarmless);
  const matcher = ignore({ allowRelativePaths: true }).add(accepted);
  return { rules: { folder, matcher, outer }, refused: patterns.length - accepted.length };
}

/** Whether git would ignore a path whose folders it does not ignore: the innermost rule that matches decides. */
export function isIgnored(rules: IgnoreRules | null, path: string, isFolder: boolean): boolean {
  for (let at = rules; at !== null; at = at.outer) {
    const relative = at.folder === "" ? path : path.slice(at.folder.length + 1);
    const { ignored, unignored } = verdictOf(at.matcher, isFolder ? `${relative}/` : relative);
    if (ignored || unignored) return ignored;
  }
  return false;
}

function isHarmless(pattern: string): boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) return false;
  const stars = (text: string): number => text.split("*").length - 1;
  const all = stars(pattern);
  if (all > MAX_STARS) return false;
  return (
    all <= MAX_STARS_OF_SEGMENT || pattern.split("/").every((each) => stars(each) <= MAX_STARS_OF_SEGMENT)
  );
}

/** What the rules of one .gitignore say. Patterns are compiled on first use, and a strange one need not compile. */
function verdictOf(
  matcher: Matcher,
  path: string,
): { readonly ignored: boolean; readonly unignored: boolean } {
  try {
    return matcher.test(path);
  } catch {
    return { ignored: false, unignored: false };
  }
}
