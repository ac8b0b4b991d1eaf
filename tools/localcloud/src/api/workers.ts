import { type Context, Hono } from "hono";
import { z } from "zod";
import type { StoredScript } from "../state/scripts.ts";
import type { Control } from "./control.ts";
import { ok, paged, timestamp } from "./envelope.ts";
import { ApiError, CODE, notImplemented, workerNotFound } from "./errors.ts";
import { callersOf, createScript, deleteScript, observabilityOf } from "./publish.ts";
import { body, param, source } from "./request.ts";
import { addSecretVersion, secretText } from "./secrets.ts";
import { shownVersion } from "./versions.ts";

const PAGE = { perPage: 20, maxPerPage: 100, code: CODE.WORKER_INVALID };
const ROUTE = "/workers/workers";

const workerSchema = z.object({
  name: z.string(),
  logpush: z.boolean().nullish(),
  observability: z.record(z.string(), z.unknown()).nullish(),
  subdomain: z.object({ enabled: z.boolean().nullish(), previews_enabled: z.boolean().nullish() }).nullish(),
  tags: z.array(z.string()).nullish(),
  tail_consumers: z.array(z.unknown()).nullish(),
});

const patchSchema = workerSchema.partial();

const latestSchema = z.object({
  env: z.record(z.string(), z.object({ type: z.string(), text: z.string() }).nullable()).default({}),
  annotations: z
    .object({ "workers/message": z.string().nullish(), "workers/tag": z.string().nullish() })
    .nullish(),
});

type Settings = Pick<
  StoredScript,
  "logpush" | "observability" | "tags" | "subdomainEnabled" | "previewsEnabled"
>;

const DEFAULTS: Settings = {
  logpush: false,
  observability: observabilityOf({}),
  tags: [],
  subdomainEnabled: false,
  previewsEnabled: false,
};

/** The settings once a request is laid over `base`. */
function settingsOf(base: Settings, request: z.infer<typeof patchSchema>): Settings {
  if ((request.tail_consumers ?? []).length > 0) {
    throw notImplemented("tail_consumers");
  }
  return {
    logpush: request.logpush ?? base.logpush,
    observability:
      request.observability === undefined ? base.observability : observabilityOf(request.observability),
    tags: request.tags ?? base.tags,
    subdomainEnabled: request.subdomain?.enabled ?? base.subdomainEnabled,
    previewsEnabled: request.subdomain?.previews_enabled ?? base.previewsEnabled,
  };
}

function references(control: Control, script: StoredScript): unknown {
  const { store } = control;
  return {
    dispatch_namespace_outbounds: [],
    domains: [],
    durable_objects: [],
    queues: store.queues
      .consumers()
      .filter(({ scriptName }) => scriptName === script.name)
      .map(({ id, queueId }) => ({
        queue_consumer_id: id,
        queue_id: queueId,
        queue_name: store.queues.get(queueId)?.name ?? "",
      })),
    workers: callersOf(control, script.name).map(({ service }) => ({
      id: store.scripts.get(service)?.id ?? "",
      name: service,
    })),
  };
}

function shown(control: Control, script: StoredScript): unknown {
  const deployed = control.store.deployments.current(script.name);
  return {
    id: script.id,
    name: script.name,
    created_on: timestamp(script.createdAt),
    updated_on: timestamp(script.modifiedAt),
    deployed_on: deployed === null ? null : timestamp(deployed.createdAt),
    logpush: script.logpush,
    observability: script.observability,
    references: references(control, script),
    subdomain: {
      enabled: script.subdomainEnabled,
      previews_enabled: script.previewsEnabled,
      url: `http://${control.host}:${script.port}`,
    },
    tags: script.tags,
    tail_consumers: [],
  };
}

/** `workers/workers`: Workers as shells, with or without code, by id or by name. */
export function workerRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  function find(c: Context): StoredScript {
    const key = param(c, "worker");
    const script = store.scripts.find(key);
    if (script === null) {
      throw workerNotFound(key);
    }
    return script;
  }

  function refuseTakenName(name: string): void {
    if (store.scripts.get(name) !== null) {
      throw new ApiError(409, CODE.WORKER_NAME_REFUSED, `A Worker with the name '${name}' already exists.`);
    }
  }

  app.post(ROUTE, async (c) => {
    const request = await body(c, workerSchema, CODE.WORKER_INVALID);
    const script = await changes.store(() => {
      refuseTakenName(request.name);
      return createScript(control, request.name, settingsOf(DEFAULTS, request));
    });
    return ok(c, shown(control, script));
  });

  app.get(ROUTE, (c) =>
    paged(c, store.scripts.list(), PAGE, (page) => page.map((script) => shown(control, script))),
  );

  app.get(`${ROUTE}/:worker`, (c) => ok(c, shown(control, find(c))));

  async function update(c: Context, base: (script: StoredScript) => Settings): Promise<Response> {
    const request = await body(c, patchSchema, CODE.WORKER_INVALID);
    const before = find(c);
    const write = (): StoredScript => {
      const script = find(c);
      if (request.name !== undefined && request.name !== script.name) {
        throw notImplemented("renaming a Worker");
      }
      const next = { ...script, ...settingsOf(base(script), request), modifiedAt: control.now() };
      store.scripts.put(next);
      return next;
    };
    const runsOtherwise = settingsOf(base(before), request).subdomainEnabled !== before.subdomainEnabled;
    const updated = await (runsOtherwise ? changes.deploy(write) : changes.store(write));
    return ok(c, shown(control, updated));
  }
  // PUT replaces the whole object: what is not sent goes back to its default.
  app.put(`${ROUTE}/:worker`, (c) => update(c, () => DEFAULTS));
  app.patch(`${ROUTE}/:worker`, (c) => update(c, (script) => script));

  app.delete(`${ROUTE}/:worker`, async (c) => {
    await deleteScript(control, find(c).name);
    return ok(c, null);
  });

  app.patch(`${ROUTE}/:worker/versions/latest`, async (c) => {
    const { env, annotations } = await body(c, latestSchema, CODE.WORKER_INVALID);
    const secrets = new Map(
      Object.entries(env).map(([name, value]) => [name, value === null ? null : secretText(name, value)]),
    );
    const version = await changes.store(() =>
      addSecretVersion(control, find(c), secrets, {
        source: source(c),
        tag: annotations?.["workers/tag"] || null,
        message: annotations?.["workers/message"] || null,
      }),
    );
    return ok(c, shownVersion(version));
  });

  return app;
}
