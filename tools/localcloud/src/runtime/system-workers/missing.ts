/** Stands in for the target of a service binding that cannot be reached. */
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

type Missing = new (ctx: unknown, env: unknown) => object;

/** A class whose fetch answers 503 with `reason`, and whose every method throws it. */
export function missing(reason: string): Missing {
  return class extends WorkerEntrypoint {
    constructor(ctx: unknown, env: unknown) {
      super(ctx, env);
      return new Proxy(this, {
        get: (self, property) =>
          Reflect.has(self, property)
            ? Reflect.get(self, property)
            : () => {
                throw new Error(reason);
              },
      });
    }

    fetch(): Response {
      return new Response(`${reason}\n`, { status: 503 });
    }
  };
}

/** A Durable Object class of which every object fails with `reason`. */
export function missingObject(reason: string): Missing {
  return class extends DurableObject {
    constructor(ctx: unknown, env: unknown) {
      super(ctx, env);
      throw new Error(reason);
    }
  };
}
