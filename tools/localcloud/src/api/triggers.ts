import { type Context, Hono } from "hono";
import { z } from "zod";
import { nextRun } from "../runtime/crons.ts";
import type { StoredScript } from "../state/scripts.ts";
import type { Control } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { requireScript } from "./publish.ts";
import { body } from "./request.ts";

/** What stands before `.workers.dev`; nothing answers there, see the Worker's own URL. */
const ACCOUNT_SUBDOMAIN = "localcloud";

const subdomainSchema = z.object({ enabled: z.boolean(), previews_enabled: z.boolean().optional() });
const schedulesSchema = z.array(z.object({ cron: z.string() }));
const originsSchema = z.array(z.object({ hostname: z.string() }));
const recordsSchema = z.object({ origins: originsSchema });

/** @throws {ApiError} 400 when the expression is not one that the data plane can follow. */
function requireCron(expression: string, now: number): string {
  try {
    nextRun(expression, now);
    return expression;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError(400, CODE.CRON_INVALID, `invalid cron string: '${expression}' (${reason})`);
  }
}

/** Custom domains need a zone and DNS: a Worker without any is served truthfully, one with some is refused. */
function refuseDomains(origins: readonly { readonly hostname: string }[]): void {
  if (origins.length > 0) {
    throw notImplemented(`custom domains (${origins.map(({ hostname }) => hostname).join(", ")})`);
  }
}

/** What the data plane knows of the settings that are changed here. */
function runs({ subdomainEnabled, crons }: StoredScript): string {
  return JSON.stringify([subdomainEnabled, crons]);
}

/** What reaches a script: its public address, its crons, its domains. */
export function triggerRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  /** Lays `change` over the script as it is once earlier changes are done, and returns the result. */
  async function save(
    name: string,
    change: Partial<Pick<StoredScript, "subdomainEnabled" | "previewsEnabled" | "crons">>,
  ): Promise<StoredScript> {
    requireScript(control, name);
    const written = await changes.deploy(
      () => {
        const script = requireScript(control, name);
        const next = { ...script, ...change };
        const runsOtherwise = runs(script) !== runs(next);
        const saved = runsOtherwise ? { ...next, modifiedAt: control.now() } : next;
        store.scripts.put(saved);
        return { saved, runsOtherwise };
      },
      ({ runsOtherwise }) => runsOtherwise,
    );
    return written.saved;
  }

  app.get("/workers/subdomain", (c) => ok(c, { subdomain: ACCOUNT_SUBDOMAIN }));

  function shownSubdomain(script: StoredScript): unknown {
    return { enabled: script.subdomainEnabled, previews_enabled: script.previewsEnabled };
  }
  app.get("/workers/scripts/:script/subdomain", (c) =>
    ok(c, shownSubdomain(requireScript(control, c.req.param("script")))),
  );
  app.post("/workers/scripts/:script/subdomain", async (c) => {
    const request = await body(c, subdomainSchema, CODE.WORKER_INVALID);
    const saved = await save(c.req.param("script"), {
      subdomainEnabled: request.enabled,
      ...(request.previews_enabled === undefined ? {} : { previewsEnabled: request.previews_enabled }),
    });
    return ok(c, shownSubdomain(saved));
  });
  app.delete("/workers/scripts/:script/subdomain", async (c) => {
    const off = { subdomainEnabled: false, previewsEnabled: false };
    return ok(c, shownSubdomain(await save(c.req.param("script"), off)));
  });

  function shownSchedules(script: StoredScript): unknown {
    const at = timestamp(script.modifiedAt);
    return { schedules: script.crons.map((cron) => ({ cron, created_on: at, modified_on: at })) };
  }
  app.get("/workers/scripts/:script/schedules", (c) =>
    ok(c, shownSchedules(requireScript(control, c.req.param("script")))),
  );
  app.put("/workers/scripts/:script/schedules", async (c) => {
    const schedules = await body(c, schedulesSchema, CODE.WORKER_INVALID);
    const crons = schedules.map(({ cron }) => requireCron(cron, control.now()));
    return ok(c, shownSchedules(await save(c.req.param("script"), { crons })));
  });

  app.post("/workers/scripts/:script/domains/changeset", async (c) => {
    requireScript(control, c.req.param("script"));
    refuseDomains(await body(c, originsSchema, CODE.WORKER_INVALID));
    return ok(c, { added: [], removed: [], updated: [], conflicting: [] });
  });
  app.put("/workers/scripts/:script/domains/records", async (c) => {
    requireScript(control, c.req.param("script"));
    refuseDomains((await body(c, recordsSchema, CODE.WORKER_INVALID)).origins);
    return ok(c, []);
  });
  const noDomains = (c: Context): Response => ok(c, []);
  app.get("/workers/domains", noDomains);
  app.get("/workers/domains/records", noDomains);

  return app;
}
