import { Hono } from "hono";
import type { StoredScript } from "../state/scripts.ts";
import type { Control } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { callersOf, deleteScript, requireScript } from "./publish.ts";
import { shownScript } from "./scripts.ts";

/** `workers/services`: the older name of a script, by which wrangler looks it up, and deletes it. */
export function serviceRoutes(control: Control): Hono {
  const app = new Hono();
  const { store } = control;

  function requireService(name: string): StoredScript {
    const script = store.scripts.get(name);
    if (script === null) {
      throw new ApiError(404, CODE.SERVICE_NOT_FOUND, `This service does not exist on your account: ${name}`);
    }
    return script;
  }

  app.get("/workers/services/:service", (c) => {
    const script = requireService(c.req.param("service"));
    const environment = {
      environment: "production",
      created_on: timestamp(script.createdAt),
      modified_on: timestamp(script.modifiedAt),
      script: shownScript(script, store.versions.latest(script.name)),
    };
    return ok(c, {
      id: script.name,
      created_on: environment.created_on,
      modified_on: environment.modified_on,
      default_environment: environment,
      environments: [environment],
    });
  });

  app.get("/workers/scripts/:script/references", (c) => {
    const script = requireScript(control, c.req.param("script"));
    return ok(c, {
      services: {
        incoming: callersOf(control, script.name).map(({ service, binding }) => ({
          service,
          environment: "production",
          name: binding,
        })),
        outgoing: [],
        pages_function: false,
      },
      durable_objects: [],
      dispatch_outbounds: [],
    });
  });
  app.get("/workers/tails/by-consumer/:script", (c) => ok(c, []));

  async function remove(name: string, force: boolean): Promise<void> {
    const callers = callersOf(control, name);
    if (!force && callers.length > 0) {
      const names = callers.map(({ service }) => service).join(", ");
      throw new ApiError(
        400,
        CODE.WORKER_IN_USE,
        `Worker '${name}' is bound by: ${names}. Delete with force=true to break them.`,
      );
    }
    await deleteScript(control, name);
  }

  app.delete("/workers/services/:service", async (c) => {
    const script = requireService(c.req.param("service"));
    await remove(script.name, c.req.query("force") === "true");
    return ok(c, null);
  });
  app.delete("/workers/scripts/:script", async (c) => {
    const script = requireScript(control, c.req.param("script"));
    await remove(script.name, c.req.query("force") === "true");
    return ok(c, null);
  });

  return app;
}
