import { posix } from "node:path";
import { isTable, readJson } from "./document.ts";

/** Where a build tool says which generated config wrangler should deploy, relative to the user's config. */
const REDIRECT = /(?:^|\/)\.wrangler\/deploy\/config\.json$/;

/** Whether a file redirects wrangler to a generated config. */
export function isRedirect(path: string): boolean {
  return REDIRECT.test(path);
}

/**
 * The configs that a redirect points to, relative to the root; those outside of it are left out.
 * Source: developers.cloudflare.com/workers/wrangler/configuration/#generated-wrangler-configuration.
 */
export function redirectTargets(path: string, text: string): readonly string[] {
  const { value } = readJson(text);
  if (!isTable(value)) return [];
  const auxiliary: unknown[] = Array.isArray(value["auxiliaryWorkers"]) ? value["auxiliaryWorkers"] : [];
  const named = [value, ...auxiliary].flatMap((each) =>
    isTable(each) && typeof each["configPath"] === "string" ? [each["configPath"]] : [],
  );
  return named.flatMap((target) => {
    const resolved = resolveInRoot(posix.dirname(path), target);
    return resolved === null ? [] : [resolved];
  });
}

/** A path that a file in `folder` names, relative to the root; `null` when it leaves the root. */
export function resolveInRoot(folder: string, target: string): string | null {
  const unified = target.replaceAll("\\", "/");
  if (unified.startsWith("/") || /^[A-Za-z]:/.test(unified)) return null;
  const resolved = posix.normalize(posix.join(folder, unified));
  return resolved === "." || resolved === ".." || resolved.startsWith("../") ? null : resolved;
}
