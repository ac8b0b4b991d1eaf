/**
 * Stands between a service binding and a script whose traffic is split: each call,
 * fetch or RPC, goes to a version picked anew.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { pickVersion, VERSION_KEY_HEADER, VERSION_OVERRIDES_HEADER, type Share } from "../picker.ts";

type Target = Record<PropertyKey, unknown> & { fetch(request: Request): Promise<Response> };

interface Env {
  readonly SCRIPT: string;
  readonly SHARES: readonly Share[];
  readonly [target: `${string}:${string}`]: Target;
}

/** The shares of the latest deployment; those of the start-up until one arrives. */
let latest: readonly Share[] | undefined;

function pick(env: Env, entrypoint: string, key: string | null, overrides: string | null): Target {
  const hints = { key, overrides };
  const version = pickVersion(env.SCRIPT, latest ?? env.SHARES, hints, Math.random);
  const target = env[`${entrypoint}:${version}`];
  if (target === undefined) throw new Error(`script "${env.SCRIPT}" has no version ${version}`);
  return target;
}

type Splitter = new (ctx: unknown, env: Env) => WorkerEntrypoint<Env>;

/** A class that answers as `entrypoint` of the script, whatever its methods are. */
export function splitterFor(entrypoint: string): Splitter {
  return class extends WorkerEntrypoint<Env> {
    constructor(ctx: unknown, env: Env) {
      super(ctx, env);
      return new Proxy(this, {
        get: (self, property) =>
          Reflect.has(self, property)
            ? Reflect.get(self, property)
            : Reflect.get(pick(env, entrypoint, null, null), property),
      });
    }

    fetch(request: Request): Promise<Response> {
      const { headers } = request;
      return pick(
        this.env,
        entrypoint,
        headers.get(VERSION_KEY_HEADER),
        headers.get(VERSION_OVERRIDES_HEADER),
      ).fetch(request);
    }
  };
}

/** The entrypoint through which Node tells the splitter a changed split. */
export class SplitterControl extends WorkerEntrypoint<Env> {
  setShares(shares: readonly Share[]): void {
    latest = shares;
  }
}
