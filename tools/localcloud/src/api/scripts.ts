import { Hono } from "hono";
import { z } from "zod";
import { newHexId, type Control } from "./control.ts";
import { resolveBindings, shownBinding } from "./bindings.ts";
import { migrate } from "./durable-objects.ts";
import { ok, paged, timestamp } from "./envelope.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { addDeployment, addVersion, createScript, observabilityOf, requireScript } from "./publish.ts";
import { body, source } from "./request.ts";
import type { StoredScript } from "../state/scripts.ts";
import type { VersionRecord } from "../state/versions.ts";
import { readUpload, type Upload, uploadedForm } from "./upload.ts";

const MIME: Readonly<Record<string, string>> = {
  esm: "application/javascript+module",
  commonjs: "application/javascript",
  wasm: "application/wasm",
  text: "text/plain",
  data: "application/octet-stream",
  json: "application/json",
};

const settingsSchema = z.object({
  logpush: z.boolean().nullish(),
  observability: z.record(z.string(), z.unknown()).nullish(),
  tags: z.array(z.string()).nullish(),
  tail_consumers: z.array(z.unknown()).nullish(),
});

/** What `services`, `scripts` and an upload's answer say of a script. */
export function shownScript(script: StoredScript, latest: VersionRecord | null): Record<string, unknown> {
  return {
    id: script.name,
    tag: script.tag,
    tags: script.tags,
    created_on: timestamp(script.createdAt),
    modified_on: timestamp(script.modifiedAt),
    has_assets: false,
    has_modules: latest !== null,
    logpush: script.logpush,
    observability: script.observability,
    tail_consumers: [],
    usage_model: "standard",
    ...(script.migrationTag === null ? {} : { migration_tag: script.migrationTag }),
    ...(latest === null
      ? {}
      : {
          etag: latest.etag,
          last_deployed_from: latest.source,
          compatibility_date: latest.compatibilityDate,
          compatibility_flags: latest.compatibilityFlags,
        }),
  };
}

function shownSettings(script: StoredScript): unknown {
  return {
    logpush: script.logpush,
    observability: script.observability,
    tags: script.tags,
    tail_consumers: [],
  };
}

/** The script with an upload's migrations and unversioned settings applied, and its classes stored. */
function prepareScript(control: Control, script: StoredScript, { metadata }: Upload): StoredScript {
  const { store } = control;
  const owned = store.scripts.classesOf(script.name);
  let migrationTag = script.migrationTag;
  if (metadata.migrations !== undefined && metadata.migrations !== null) {
    const after = migrate({ tag: script.migrationTag, classes: owned }, metadata.migrations);
    migrationTag = after.tag;
    store.scripts.setClasses(
      script.name,
      after.classes.map(({ className, sqlite }) => ({
        id: owned.find((before) => before.className === className)?.id ?? newHexId(),
        scriptName: script.name,
        className,
        sqlite,
      })),
    );
  }
  const prepared: StoredScript = {
    ...script,
    migrationTag,
    observability:
      metadata.observability === undefined ? script.observability : observabilityOf(metadata.observability),
    logpush: metadata.logpush ?? script.logpush,
    tags: metadata.tags ?? script.tags,
  };
  store.scripts.put(prepared);
  return prepared;
}

/** The one call that uploads and deploys: creates the script when it is not there, applies migrations. */
function uploadRoute(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;
  app.put("/workers/scripts/:script", async (c) => {
    const upload = await readUpload(await uploadedForm(c));
    const name = c.req.param("script");
    const from = source(c);
    const { script, version, startupMs } = await changes.deploy(async () => {
      const existing = store.scripts.get(name) ?? (await createScript(control, name));
      const classesBefore = store.scripts.classesOf(name);
      const prepared = prepareScript(control, existing, upload);
      const bindings = resolveBindings(upload.metadata.bindings ?? [], {
        previous: store.versions.latest(name)?.bindings ?? [],
        keepTypes: upload.metadata.keep_bindings ?? [],
        strict: c.req.query("bindings_inherit") === "strict",
      });
      const draft = { ...upload.code, bindings, source: from, triggeredBy: "upload" } as const;
      const added = await addVersion(control, prepared, draft, classesBefore);
      addDeployment(control, name, {
        versions: [{ versionId: added.version.id, percentage: 100 }],
        message: upload.code.message,
        source: from,
        triggeredBy: "upload",
      });
      return { script: prepared, ...added };
    });
    return ok(c, {
      ...shownScript(script, version),
      // wrangler reads the id of the new version from this field, without hyphens.
      deployment_id: version.id.replaceAll("-", ""),
      startup_time_ms: startupMs,
    });
  });
  return app;
}

/** Reading a script back: its state, code and settings. */
function readRoutes(control: Control): Hono {
  const app = new Hono();
  const { store } = control;

  app.get("/workers/scripts", (c) =>
    ok(
      c,
      store.scripts
        .list()
        .filter(({ name }) => store.deployments.current(name) !== null)
        .map((script) => shownScript(script, store.versions.latest(script.name))),
    ),
  );

  async function content(name: string): Promise<Response> {
    const script = requireScript(control, name);
    const served = store.deployments.current(script.name)?.versions[0];
    const version = served === undefined ? null : store.versions.get(script.name, served.versionId);
    if (version === null) {
      throw new ApiError(404, CODE.WORKER_NOT_FOUND, `Worker '${name}' has no code yet.`);
    }
    const form = new FormData();
    for (const module of store.versions.modules(version.etag)) {
      const type = MIME[module.type] ?? "application/octet-stream";
      form.set(module.name, new File([new Uint8Array(module.contents)], module.name, { type }));
    }
    const response = new Response(form);
    response.headers.set("cf-entrypoint", version.mainModule);
    response.headers.set("etag", version.etag);
    return response;
  }
  app.get("/workers/scripts/:script", (c) => content(c.req.param("script")));
  app.get("/workers/scripts/:script/content/v2", (c) => content(c.req.param("script")));

  app.get("/workers/scripts/:script/settings", (c) => {
    const script = requireScript(control, c.req.param("script"));
    const latest = store.versions.latest(script.name);
    return ok(c, {
      bindings: (latest?.bindings ?? []).map(shownBinding),
      compatibility_date: latest?.compatibilityDate ?? "",
      compatibility_flags: latest?.compatibilityFlags ?? [],
      placement: {},
      usage_model: "standard",
      ...(script.migrationTag === null ? {} : { migration_tag: script.migrationTag }),
      logpush: script.logpush,
      observability: script.observability,
      tags: script.tags,
      tail_consumers: [],
    });
  });

  return app;
}

function settingsRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  app.get("/workers/scripts/:script/script-settings", (c) =>
    ok(c, shownSettings(requireScript(control, c.req.param("script")))),
  );

  app.patch("/workers/scripts/:script/script-settings", async (c) => {
    const request = await body(c, settingsSchema, CODE.WORKER_INVALID);
    if ((request.tail_consumers ?? []).length > 0) {
      throw notImplemented("tail_consumers");
    }
    const patched = await changes.store(() => {
      const script = requireScript(control, c.req.param("script"));
      const next: StoredScript = {
        ...script,
        logpush: request.logpush ?? script.logpush,
        observability:
          request.observability === undefined ? script.observability : observabilityOf(request.observability),
        tags: request.tags ?? script.tags,
        modifiedAt: control.now(),
      };
      store.scripts.put(next);
      return next;
    });
    return ok(c, shownSettings(patched));
  });

  return app;
}

/** The Durable Object namespaces of all scripts. */
function namespaceRoutes(control: Control): Hono {
  const app = new Hono();
  app.get("/workers/durable_objects/namespaces", (c) => {
    const namespaces = control.store.scripts.durableObjectClasses().map((owned) => ({
      id: owned.id,
      name: `${owned.scriptName}_${owned.className}`,
      script: owned.scriptName,
      class: owned.className,
      use_sqlite: owned.sqlite,
    }));
    return paged(c, namespaces, { perPage: 20, maxPerPage: 1000, code: CODE.WORKER_INVALID });
  });
  return app;
}

/** `workers/scripts`: upload, read back, settings. */
export function scriptRoutes(control: Control): Hono {
  const app = new Hono();
  app.route("/", uploadRoute(control));
  app.route("/", readRoutes(control));
  app.route("/", settingsRoutes(control));
  app.route("/", namespaceRoutes(control));
  return app;
}
