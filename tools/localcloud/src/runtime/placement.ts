/** Which worker plays which part for a script: names, Durable Object hosts, service targets. */
import type { DeployedScript, ScriptVersion, VersionShare } from "../model.ts";
import { moduleExports } from "./module-exports.ts";
import type { Share } from "./picker.ts";

/** The name of the worker that runs a version. */
export function workerName(version: ScriptVersion): string {
  return `${version.scriptName}@${version.id}`;
}

/** The name of the worker that splits calls among a script's versions. */
export function splitterName(scriptName: string): string {
  return `split:${scriptName}`;
}

/** The name of the worker that stands in for what a script lacks. */
export function missingName(scriptName: string): string {
  return `missing:${scriptName}`;
}

/** A script's versions, newest first: the order in which traffic is split. */
export function newestFirst(script: DeployedScript): readonly VersionShare[] {
  return script.versions.toSorted((a, b) => b.version.number - a.version.number);
}

/** A script's split as the picker takes it. */
export function sharesOf(script: DeployedScript): readonly Share[] {
  return newestFirst(script).map(({ version, percentage }) => ({ versionId: version.id, percentage }));
}

/**
 * The version that hosts a Durable Object class. Objects of one class live in one worker,
 * so while traffic is split they all run the code of the version with the largest share
 * among those that export the class (of equal shares, the newest).
 */
export function hostOf(script: DeployedScript, className: string): ScriptVersion | undefined {
  if (!script.durableObjectClasses.some((owned) => owned.className === className)) return undefined;
  return newestFirst(script)
    .filter(({ version }) => moduleExports(version)?.has(className) ?? true)
    .toSorted((a, b) => b.percentage - a.percentage)[0]?.version;
}

/** The Durable Object classes that a version hosts, as `hostOf` decides. */
export function hostedClasses(script: DeployedScript, version: ScriptVersion): readonly string[] {
  return script.durableObjectClasses
    .map((owned) => owned.className)
    .filter((className) => hostOf(script, className)?.id === version.id);
}

/** Whether every version of a script can answer as `entrypoint` (`default`, or an exported class). */
export function exportsEntrypoint(script: DeployedScript, entrypoint: string): boolean {
  return script.versions.every(({ version }) => moduleExports(version)?.has(entrypoint) ?? true);
}

/**
 * What workerd would see of a state, as a string: equal keys need no restart. Shells, ports, crons,
 * consumers, queues and stores are not part of it, and percentages only as far as they
 * choose the host of a Durable Object class.
 */
export function placementKey(scripts: readonly DeployedScript[]): string {
  return JSON.stringify(
    scripts
      .filter((script) => script.versions.length > 0)
      .map((script) => [
        script.name,
        newestFirst(script).map(({ version }) => version.id),
        script.durableObjectClasses.map(({ className, sqlite }) => [
          className,
          sqlite,
          hostOf(script, className)?.id ?? null,
        ]),
      ])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
}
