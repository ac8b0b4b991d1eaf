/** Where bindings between scripts lead: to a version, to a splitter, or to a stand-in for what is missing. */
import type { DeployedScript } from "../model.ts";
import { exportsEntrypoint, hostOf, missingName, splitterName, workerName } from "./placement.ts";

export interface ServiceTarget {
  readonly worker: string;
  /** Absent: the default export. */
  readonly exportName?: string;
}

/** What a stand-in must export, and what each of its exports says when it is called. */
export interface MissingParts {
  readonly entrypoints: Map<string, string>;
  readonly objects: Map<string, string>;
}

/** Resolves bindings, and collects which splitters and stand-ins they need. */
export class Wiring {
  /** Script name to the entrypoints that its splitter must offer. */
  readonly splitters = new Map<string, Set<string>>();
  /** Script name to what its stand-in must offer. */
  readonly missing = new Map<string, MissingParts>();
  readonly #scripts: ReadonlyMap<string, DeployedScript>;

  constructor(scripts: readonly DeployedScript[]) {
    this.#scripts = new Map(scripts.map((script) => [script.name, script]));
  }

  /** Where a service binding leads. */
  service(scriptName: string, entrypoint = "default"): ServiceTarget {
    const script = this.#scripts.get(scriptName);
    const exportName = entrypoint === "default" ? {} : { exportName: entrypoint };
    const [only, another] = script?.versions ?? [];
    if (script === undefined || only === undefined) {
      const reason = `script "${scriptName}" has no deployed version`;
      this.#missing(scriptName).entrypoints.set(entrypoint, reason);
      return { worker: missingName(scriptName), ...exportName };
    }
    if (!exportsEntrypoint(script, entrypoint)) {
      this.#missing(scriptName).entrypoints.set(
        entrypoint,
        `script "${scriptName}" has no entrypoint "${entrypoint}"`,
      );
      return { worker: missingName(scriptName), ...exportName };
    }
    if (another === undefined) return { worker: workerName(only.version), ...exportName };
    const offered = this.splitters.get(scriptName) ?? new Set();
    this.splitters.set(scriptName, offered.add(entrypoint));
    return { worker: splitterName(scriptName), ...exportName };
  }

  /** The worker that hosts a Durable Object class. */
  objects(scriptName: string, className: string): string {
    const script = this.#scripts.get(scriptName);
    const host = script === undefined ? undefined : hostOf(script, className);
    if (host !== undefined) return workerName(host);
    const reason = `script "${scriptName}" has no Durable Object class "${className}"`;
    this.#missing(scriptName).objects.set(className, reason);
    return missingName(scriptName);
  }

  #missing(scriptName: string): MissingParts {
    const known = this.missing.get(scriptName) ?? { entrypoints: new Map(), objects: new Map() };
    this.missing.set(scriptName, known);
    return known;
  }
}
