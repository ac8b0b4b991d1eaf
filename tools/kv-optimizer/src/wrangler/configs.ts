import { posix } from "node:path";
import { type SourceTree, UnreadableError, type Unread, type WorkerConfig } from "../model.ts";
import { readBindings } from "./bindings.ts";
import { runsPerDay } from "./cron.ts";
import { isTable, readJson, readToml, type Table } from "./document.ts";
import { isRedirect, redirectTargets, resolveInRoot } from "./redirect.ts";

const NAMED = /(?:^|\/)wrangler(?:[.-][\w.-]+)?\.(?:toml|jsonc?)$/;
const DEPLOY_STATE = /(?:^|\/)\.wrangler\/deploy\/.*\.jsonc?$/;

export interface ReadConfigs {
  /** By file; the top level of each before its environments. */
  readonly configs: readonly WorkerConfig[];
  readonly unread: readonly Unread[];
}

/**
 * Every Worker that the wrangler configs of a tree describe: the top level of each file and
 * each of its environments. Of a malformed config, what can be understood is used and the
 * rest is told.
 */
export function readWorkerConfigs(tree: SourceTree): ReadConfigs {
  const configs: WorkerConfig[] = [];
  const unread: Unread[] = [];
  for (const file of configFiles(tree)) {
    const tell = (why: string): void => void unread.push({ file, why });
    const text = textOf(tree, file, tell);
    if (text !== null) configs.push(...readWorkerConfig(file, text, tell));
  }
  return { configs, unread };
}

function configFiles(tree: SourceTree): readonly string[] {
  const redirects = tree.paths.filter(isRedirect);
  const known = new Set(tree.paths);
  const targets = redirects.flatMap((file) =>
    redirectTargets(file, textOf(tree, file, () => undefined) ?? ""),
  );
  const named = tree.paths.filter(
    (path) => (NAMED.test(path) || DEPLOY_STATE.test(path)) && !isRedirect(path),
  );
  return [...new Set([...named, ...targets.filter((target) => known.has(target))])].sort();
}

function textOf(tree: SourceTree, file: string, tell: (why: string) => void): string | null {
  try {
    return tree.read(file);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    tell(error.message);
    return null;
  }
}

/** The Workers of one config. */
function readWorkerConfig(file: string, text: string, tell: (why: string) => void): readonly WorkerConfig[] {
  const document = file.endsWith(".toml") ? readToml(text) : readJson(text);
  for (const fault of document.faults) tell(fault);
  const top = document.value;
  if (!isTable(top)) {
    if (document.faults.length === 0) tell("It holds no table of settings.");
    return [];
  }
  const environments = environmentsOf(top, tell);
  return [[null, top] as const, ...environments].map(([environment, own]) => {
    const tellHere = (why: string): void =>
      tell(environment === null ? why : `In \`env.${environment}\`: ${why}`);
    return readWorker(file, environment, top, own, tellHere);
  });
}

function environmentsOf(top: Table, tell: (why: string) => void): readonly (readonly [string, Table])[] {
  const environments = top["env"] ?? {};
  if (!isTable(environments)) {
    tell("`env` is not a table of environments.");
    return [];
  }
  return Object.entries(environments).flatMap(([name, own]) => {
    if (isTable(own)) return [[name, own] as const];
    tell(`\`env.${name}\` is not a table.`);
    return [];
  });
}

/**
 * One Worker. An environment inherits `main` and `triggers`, each as a whole, and gets its
 * name from the top level's; bindings and variables it has to repeat.
 * Source: developers.cloudflare.com/workers/wrangler/configuration (“Inheritable keys”).
 */
function readWorker(
  file: string,
  environment: string | null,
  top: Table,
  own: Table,
  tell: (why: string) => void,
): WorkerConfig {
  const { kv, other, faults } = readBindings(top, own);
  for (const fault of faults) tell(fault);
  return {
    file,
    environment,
    worker: nameOf(environment, top, own),
    main: mainOf(file, own["main"] ?? top["main"], tell),
    kvBindings: kv,
    otherBindings: other,
    crons: cronsOf(own["triggers"] ?? top["triggers"], tell),
  };
}

function nameOf(environment: string | null, top: Table, own: Table): string | null {
  if (typeof own["name"] === "string") return own["name"];
  const name = top["name"];
  return typeof name === "string" && environment !== null ? `${name}-${environment}` : null;
}

/** The entry module, relative to the root. */
function mainOf(file: string, main: unknown, tell: (why: string) => void): string | null {
  if (main === undefined || main === null) return null;
  if (typeof main !== "string" || main === "") {
    tell("`main` is not a path.");
    return null;
  }
  const resolved = resolveInRoot(posix.dirname(file), main);
  if (resolved === null) tell(`Its entry module ${JSON.stringify(main)} lies outside of the root.`);
  return resolved;
}

function cronsOf(triggers: unknown, tell: (why: string) => void): readonly string[] {
  const crons = isTable(triggers) ? (triggers["crons"] ?? []) : [];
  if (!Array.isArray(crons)) {
    tell("`triggers.crons` is not a list.");
    return [];
  }
  const expressions = crons.filter((cron) => typeof cron === "string");
  for (const cron of expressions.filter((each) => runsPerDay(each) === null)) {
    tell(
      `Cloudflare does not take the cron expression ${JSON.stringify(cron)}; weekdays count from 1 (Sunday) to 7.`,
    );
  }
  return expressions;
}
