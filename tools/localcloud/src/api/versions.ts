import { Hono } from "hono";
import type { StoredScript } from "../state/scripts.ts";
import type { VersionRecord } from "../state/versions.ts";
import { resolveBindings, shownBinding } from "./bindings.ts";
import type { Control } from "./control.ts";
import { deployRefusal } from "./deployable.ts";
import { ok, paged, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { addVersion, requireScript } from "./publish.ts";
import { source } from "./request.ts";
import { readUpload, uploadedForm } from "./upload.ts";

const PAGE = { perPage: 20, maxPerPage: 100, code: CODE.WORKER_INVALID };

/** A version as `scripts/{name}/versions` shows it. */
export function shownVersion(version: VersionRecord): Record<string, unknown> {
  const at = timestamp(version.createdAt);
  return {
    id: version.id,
    number: version.number,
    metadata: {
      created_on: at,
      modified_on: at,
      source: version.source,
      author_id: "",
      author_email: "developer@localcloud.test",
      hasPreview: false,
      has_preview: false,
    },
    annotations: {
      ...(version.tag === null ? {} : { "workers/tag": version.tag }),
      ...(version.message === null ? {} : { "workers/message": version.message }),
      ...(version.triggeredBy === null ? {} : { "workers/triggered_by": version.triggeredBy }),
    },
    resources: {
      bindings: version.bindings.map(shownBinding),
      script: { etag: version.etag, last_deployed_from: version.source },
      script_runtime: {
        compatibility_date: version.compatibilityDate,
        compatibility_flags: version.compatibilityFlags,
        usage_model: "standard",
        ...(version.migrationTag === null ? {} : { migration_tag: version.migrationTag }),
      },
    },
  };
}

/** The version with that id. @throws {ApiError} 404 */
export function requireVersion(control: Control, script: StoredScript, id: string): VersionRecord {
  const version = control.store.versions.get(script.name, id);
  if (version === null) {
    throw new ApiError(
      404,
      CODE.VERSION_NOT_FOUND,
      `Version ${id} of Worker '${script.name}' was not found.`,
    );
  }
  return version;
}

/** `scripts/{name}/versions`: upload without deploying, list, view. */
export function versionRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  app.post("/workers/scripts/:script/versions", async (c) => {
    const upload = await readUpload(await uploadedForm(c));
    if (upload.metadata.migrations !== undefined && upload.metadata.migrations !== null) {
      throw new ApiError(
        400,
        CODE.CLASS_LIFECYCLE,
        "Durable Object migrations cannot be applied by uploading a version: deploy the Worker instead.",
      );
    }
    const { version, startupMs } = await changes.store(() => {
      const script = requireScript(control, c.req.param("script"));
      const bindings = resolveBindings(upload.metadata.bindings ?? [], {
        previous: store.versions.latest(script.name)?.bindings ?? [],
        keepTypes: upload.metadata.keep_bindings ?? [],
        strict: c.req.query("bindings_inherit") === "strict",
      });
      return addVersion(control, script, {
        ...upload.code,
        bindings,
        source: source(c),
        triggeredBy: null,
      });
    });
    return ok(c, { ...shownVersion(version), startup_time_ms: startupMs });
  });

  app.get("/workers/scripts/:script/versions", (c) => {
    const script = requireScript(control, c.req.param("script"));
    const versions = store.versions.list(script.name);
    if (c.req.query("deployable") === "true") {
      const deployable = versions.filter((version) => deployRefusal(store, script, version) === null);
      return ok(c, { items: deployable.map(shownVersion) });
    }
    return paged(c, versions, PAGE, (page) => ({ items: page.map(shownVersion) }));
  });

  app.get("/workers/scripts/:script/versions/:version", (c) => {
    const script = requireScript(control, c.req.param("script"));
    return ok(c, shownVersion(requireVersion(control, script, c.req.param("version"))));
  });

  return app;
}
