/** Which files of a repository are taken, told by their paths relative to the root. */

export interface TreeOptions {
  /** `*.test.*`, `*.spec.*` and the folders `__tests__`, `__mocks__`, `test`, `tests`, `e2e`. */
  readonly includeTests?: boolean;
  /** The folders `fixtures` and `__fixtures__`. */
  readonly includeFixtures?: boolean;
  /** `*.generated.*`, `*.gen.*`, `*.min.js` and files that say so in their first lines. */
  readonly includeGenerated?: boolean;
  /** What else to leave out, as patterns of a .gitignore in the root. */
  readonly exclude?: readonly string[];
}

/** `types`: declarations only. `wrangler`: a Worker's config or a redirect to one. `project`: of TypeScript or npm. */
export type Role = "code" | "types" | "wrangler" | "project";

const NEVER = new Set([
  "node_modules",
  "vendor",
  ".git",
  "dist",
  "build",
  "out",
  "coverage",
  ".next",
  ".svelte-kit",
  ".open-next",
  ".output",
  ".vercel",
]);
const TEST_FOLDERS = new Set(["__tests__", "__mocks__", "test", "tests", "e2e"]);
const FIXTURE_FOLDERS = new Set(["fixtures", "__fixtures__"]);

const TEST_FILE = /\.(?:test|spec)\.[^.]+$/;
const GENERATED_FILE = /\.(?:generated|gen)\.[^.]+$|\.(?:generated|gen)\.d\.[cm]?ts$|\.min\.[cm]?js$/;
const TYPES_FILE = /\.d\.[cm]?ts$/;
const CODE_FILE = /\.(?:[cm]?[jt]s|[jt]sx)$/;
const TYPESCRIPT_FILE = /\.(?:[cm]?ts|tsx)$/;
const WRANGLER_FILE = /^wrangler(?:[.-][\w.-]+)?\.(?:toml|jsonc?)$/;
const PROJECT_FILE = /^(?:package|[jt]sconfig(?:\.[\w.-]+)?)\.json$/;

/** Whether a folder may hold files that are taken. */
export function entersFolder(path: string, options: TreeOptions): boolean {
  if (isDeployState(path)) return true;
  const names = path.split("/");
  const name = names.at(-1) ?? "";
  if (NEVER.has(name)) return false;
  if (TEST_FOLDERS.has(name)) return options.includeTests === true;
  if (FIXTURE_FOLDERS.has(name)) return options.includeFixtures === true;
  // Of wrangler's own state only what it deploys by is a source.
  return names.at(-2) !== ".wrangler" || name === "deploy";
}

/** Whether a path lies where build tools leave a redirect and generated configs. */
export function isDeployState(path: string): boolean {
  return /(?:^|\/)\.wrangler\/deploy\//.test(path);
}

/** What a file is taken as; `null` when it is not taken. */
export function roleOf(path: string, options: TreeOptions): Role | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (TEST_FILE.test(name) && options.includeTests !== true) return null;
  if (isDeployState(path)) return /\.jsonc?$/.test(name) ? "wrangler" : null;
  if (/(?:^|\/)\.wrangler\//.test(path)) return null;
  if (WRANGLER_FILE.test(name)) return "wrangler";
  if (PROJECT_FILE.test(name)) return "project";
  if (TYPES_FILE.test(name)) return "types";
  return CODE_FILE.test(name) ? "code" : null;
}

/** Whether the name of a file says that it is generated. */
export function isNamedGenerated(path: string): boolean {
  return GENERATED_FILE.test(path);
}

/** Whether a file can declare the types of bindings. */
export function canDeclareBindings(path: string): boolean {
  return TYPESCRIPT_FILE.test(path);
}

const MARKED_LINES = 10;

/**
 * Whether the comments in the first lines of a file say that it is generated: `@generated`,
 * or `eslint-disable` along with the word.
 */
export function isMarkedGenerated(head: string): boolean {
  const comments = head
    .split("\n", MARKED_LINES)
    .filter((line) => /^\s*(?:\/\/|\/\*|\*|#)/.test(line))
    .join("\n");
  if (/@generated\b/.test(comments)) return true;
  return /\beslint-disable\b/.test(comments) && /\b(?:auto-?)?generated\b/i.test(comments);
}
