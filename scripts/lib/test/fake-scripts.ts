/** The scripts of the fake cloud: versions, deployments and secrets, as the platform keeps them. */
import type { Topology, WorkerKey } from "../../../infra/topology.ts";
import type { Deployment, ScriptVersion } from "../cloudflare-api.ts";
import type { FakeClock } from "./fake-clock.ts";

/** A version with the code that it was made of. */
export interface FakeVersion extends ScriptVersion {
  readonly source: string;
  readonly migrationTag: string | null;
}

interface Script {
  readonly versions: FakeVersion[];
  /** Newest first. */
  readonly deployments: Deployment[];
  readonly secrets: Set<string>;
  migrationTag: string | null;
}

/** What comes with an upload. */
export interface NewVersion {
  readonly source: string;
  readonly tag: string;
  readonly message: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export class FakeScripts {
  readonly #topology: Topology;
  readonly #clock: FakeClock;
  readonly #scripts = new Map<string, Script>();
  #serial = 0;

  constructor(topology: Topology, clock: FakeClock) {
    this.#topology = topology;
    this.#clock = clock;
  }

  /** The same scripts, with a life of their own. */
  fork(clock: FakeClock): FakeScripts {
    const fork = new FakeScripts(this.#topology, clock);
    for (const [name, script] of this.#scripts) fork.#scripts.set(name, structuredClone(script));
    fork.#serial = this.#serial;
    return fork;
  }

  uuid(): string {
    this.#serial += 1;
    return `00000000-0000-4000-8000-${String(this.#serial).padStart(12, "0")}`;
  }

  named(name: string): Script {
    const known = this.#scripts.get(name);
    if (known !== undefined) return known;
    const made: Script = { versions: [], deployments: [], secrets: new Set(), migrationTag: null };
    this.#scripts.set(name, made);
    return made;
  }

  of(worker: WorkerKey): Script {
    return this.named(this.#topology.workers[worker].name);
  }

  /** The version that serves a script; `null` before its first release, and for one that is not its own. */
  serving(worker: WorkerKey): FakeVersion | null {
    const { deployments, versions } = this.of(worker);
    const id = deployments[0]?.versions[0]?.versionId;
    return versions.find((version) => version.id === id) ?? null;
  }

  upload(worker: WorkerKey, { source, tag, message, secrets }: NewVersion): string {
    const script = this.of(worker);
    for (const name of Object.keys(secrets)) script.secrets.add(name);
    const id = this.uuid();
    const number = script.versions.length + 1;
    const { migrationTag } = script;
    script.versions.push({ id, number, createdOn: this.#now(), tag, message, source, migrationTag });
    return id;
  }

  /** Uploads and deploys, with the Durable Object migrations of the topology. */
  fullDeploy(worker: WorkerKey, version: NewVersion): string {
    this.of(worker).migrationTag = this.#topology.workers[worker].durableObjectMigrations.at(-1)?.tag ?? null;
    const id = this.upload(worker, version);
    this.deploy(worker, [{ versionId: id, percentage: 100 }], version.message);
    return id;
  }

  deploy(worker: WorkerKey, versions: Deployment["versions"], message: string | null): void {
    const deployment = { id: this.uuid(), createdOn: this.#now(), message, versions };
    this.of(worker).deployments.unshift(deployment);
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
