import { Hono } from "hono";
import { z } from "zod";
import type { ScriptBinding } from "../model.ts";
import type { StoredScript } from "../state/scripts.ts";
import type { Source, VersionRecord } from "../state/versions.ts";
import { secretsOf } from "./bindings.ts";
import type { Control } from "./control.ts";
import { ok } from "./envelope.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { addDeployment, addVersion, requireScript } from "./publish.ts";
import { body, source } from "./request.ts";

const MAX_BULK_SECRETS = 100;

const secretSchema = z.object({ name: z.string().min(1), text: z.string(), type: z.string() });

const bulkSchema = z.object({
  secrets: z
    .record(z.string().min(1), z.object({ text: z.string(), type: z.string() }).nullable())
    .refine(
      (secrets) => Object.keys(secrets).length <= MAX_BULK_SECRETS,
      `at most ${MAX_BULK_SECRETS} secrets`,
    ),
});

/** New values by name; `null` removes the secret. */
export type SecretChanges = ReadonlyMap<string, string | null>;

/** The text of a secret. @throws {ApiError} 501 for kinds of secret that do not run here. */
export function secretText(name: string, secret: { readonly text: string; readonly type: string }): string {
  if (secret.type !== "secret_text") {
    throw notImplemented(`secrets of type ${secret.type} (${name})`);
  }
  return secret.text;
}

function withSecrets(bindings: readonly ScriptBinding[], changes: SecretChanges): ScriptBinding[] {
  const kept = bindings.filter(({ name }) => !changes.has(name));
  const set = [...changes].flatMap(([name, text]): ScriptBinding[] =>
    text === null ? [] : [{ type: "secret_text", name, text }],
  );
  return [...kept, ...set];
}

/** The script's latest version. @throws {ApiError} 404 when nothing was uploaded yet. */
export function requireLatest(control: Control, script: StoredScript): VersionRecord {
  const latest = control.store.versions.latest(script.name);
  if (latest === null) {
    throw new ApiError(
      404,
      CODE.VERSION_NOT_FOUND,
      `There are no uploaded versions of Worker '${script.name}': upload one before editing a secret.`,
    );
  }
  return latest;
}

/** A new version: the latest one's code with other secrets. It is not deployed. */
export async function addSecretVersion(
  control: Control,
  script: StoredScript,
  secrets: SecretChanges,
  about: { readonly source: Source; readonly tag: string | null; readonly message: string | null },
): Promise<VersionRecord> {
  const latest = requireLatest(control, script);
  const { version } = await addVersion(control, script, {
    mainModule: latest.mainModule,
    modules: control.store.versions.modules(latest.etag),
    compatibilityDate: latest.compatibilityDate,
    compatibilityFlags: latest.compatibilityFlags,
    bindings: withSecrets(latest.bindings, secrets),
    triggeredBy: "secret",
    ...about,
  });
  return version;
}

/** @throws {ApiError} unless the latest version alone is deployed. */
function requireLatestDeployed(control: Control, script: StoredScript): VersionRecord {
  const latest = requireLatest(control, script);
  const deployed = control.store.deployments.current(script.name)?.versions ?? [];
  if (deployed.length !== 1 || deployed[0]?.versionId !== latest.id) {
    throw new ApiError(
      400,
      CODE.LATEST_NOT_DEPLOYED,
      "Secret edit failed. You attempted to modify a secret, but the latest version of your Worker isn't currently deployed.",
    );
  }
  return latest;
}

/** `scripts/{name}/secrets`: each edit is a new version, deployed at once. */
export function secretRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  async function edit(name: string, from: Source, secrets: SecretChanges): Promise<void> {
    await changes.deploy(async () => {
      const script = requireScript(control, name);
      const known = secretsOf(requireLatestDeployed(control, script).bindings);
      const missing = [...secrets].filter(([key, text]) => text === null && !known.has(key));
      if (missing.length > 0) {
        const names = missing.map(([key]) => key).join(", ");
        throw new ApiError(404, CODE.BINDING_NOT_FOUND, `Binding not found: ${names}`);
      }
      const version = await addSecretVersion(control, script, secrets, {
        source: from,
        tag: null,
        message: null,
      });
      addDeployment(control, name, {
        versions: [{ versionId: version.id, percentage: 100 }],
        message: null,
        source: from,
        triggeredBy: "secret",
      });
    });
  }

  function listed(script: StoredScript): { name: string; type: string }[] {
    const latest = store.versions.latest(script.name);
    return [...secretsOf(latest?.bindings ?? []).keys()].map((name) => ({ name, type: "secret_text" }));
  }

  app.get("/workers/scripts/:script/secrets", (c) =>
    ok(c, listed(requireScript(control, c.req.param("script")))),
  );

  app.put("/workers/scripts/:script/secrets", async (c) => {
    const secret = await body(c, secretSchema, CODE.WORKER_INVALID);
    await edit(c.req.param("script"), source(c), new Map([[secret.name, secretText(secret.name, secret)]]));
    return ok(c, { name: secret.name, type: "secret_text" });
  });

  app.delete("/workers/scripts/:script/secrets/:secret", async (c) => {
    await edit(c.req.param("script"), source(c), new Map([[c.req.param("secret"), null]]));
    return ok(c, null);
  });

  app.patch("/workers/scripts/:script/secrets-bulk", async (c) => {
    const { secrets } = await body(c, bulkSchema, CODE.WORKER_INVALID);
    const edits = new Map(
      Object.entries(secrets).map(([name, secret]) => [
        name,
        secret === null ? null : secretText(name, secret),
      ]),
    );
    const name = c.req.param("script");
    await edit(name, source(c), edits);
    return ok(c, listed(requireScript(control, name)));
  });

  return app;
}
