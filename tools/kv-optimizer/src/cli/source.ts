/** The report of what the settings name. */
import path from "node:path";
import { audit } from "../audit.ts";
import type { Report, SourceTree } from "../model.ts";
import { CommitError, FolderError, openCommit, openFolder } from "../repository/index.ts";
import { UsageError } from "./exit.ts";
import type { SourceSettings } from "./flags.ts";
import type { World } from "./world.ts";

/** The absolute root. */
export function rootOf({ root }: SourceSettings, { cwd }: World): string {
  return path.resolve(cwd, root);
}

/** The root as seen from the working directory, with `/` at its end; empty outside of it. */
export function prefixOf(root: string, cwd: string): string {
  const relative = path.relative(cwd, root).split(path.sep).join("/");
  const isOutside = relative === "" || relative.startsWith("..") || path.isAbsolute(relative);
  return isOutside ? "" : `${relative}/`;
}

/** What the tree says of a folder or a commit that cannot be opened, as a fault of the flag. */
function opened(flag: string, open: () => SourceTree): SourceTree {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof CommitError || error instanceof FolderError)) throw error;
    throw new UsageError([`${flag}: ${error.message}`]);
  }
}

/** Audits the folder as it is on disk. @throws {UsageError} when there is none */
export function auditFolder(settings: SourceSettings, world: World): Report {
  const tree = opened(`--root ${settings.root}`, () => openFolder(rootOf(settings, world), settings.tree));
  return audit(tree, settings.assumptions);
}

/** Audits a commit. @throws {UsageError} when git does not have it */
export function auditCommit(settings: SourceSettings, ref: string, world: World): Report {
  const tree = opened(`--baseline-commit ${ref}`, () =>
    openCommit(rootOf(settings, world), ref, settings.tree),
  );
  return audit(tree, settings.assumptions);
}
