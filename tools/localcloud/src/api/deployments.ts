import { Hono } from "hono";
import { z } from "zod";
import type { StoredScript } from "../state/scripts.ts";
import type { StoredDeployment, VersionRecord } from "../state/versions.ts";
import { secretsOf } from "./bindings.ts";
import type { Control } from "./control.ts";
import { deployRefusal } from "./deployable.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { addDeployment, requireScript } from "./publish.ts";
import { body, source } from "./request.ts";
import { requireVersion } from "./versions.ts";

const LISTED_DEPLOYMENTS = 10;
const MAX_VERSIONS = 2;
const PERCENT_TOLERANCE = 1e-6;

const deploymentSchema = z.object({
  strategy: z.literal("percentage"),
  versions: z
    .array(z.object({ version_id: z.string(), percentage: z.number().min(0).max(100) }))
    .min(1)
    .max(MAX_VERSIONS, `a deployment has at most ${MAX_VERSIONS} versions`)
    .refine(
      (versions) => new Set(versions.map(({ version_id }) => version_id)).size === versions.length,
      "a version appears twice",
    )
    .refine((versions) => {
      const total = versions.reduce((sum, { percentage }) => sum + percentage, 0);
      return Math.abs(total - 100) < PERCENT_TOLERANCE;
    }, "percentages must sum to 100"),
  annotations: z.object({ "workers/message": z.string().nullish() }).nullish(),
  force: z.boolean().optional(),
});

function shown(deployment: StoredDeployment): unknown {
  return {
    id: deployment.id,
    source: deployment.source,
    strategy: "percentage",
    author_email: "developer@localcloud.test",
    created_on: timestamp(deployment.createdAt),
    annotations: {
      ...(deployment.message === null ? {} : { "workers/message": deployment.message }),
      ...(deployment.triggeredBy === null ? {} : { "workers/triggered_by": deployment.triggeredBy }),
    },
    versions: deployment.versions.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
  };
}

/** Names of the secrets whose values differ between two versions. */
function changedSecrets(from: VersionRecord, to: VersionRecord): string[] {
  const before = secretsOf(from.bindings);
  const after = secretsOf(to.bindings);
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name),
  );
}

/** @throws {ApiError} 400 when going back to `target` would also change secrets. */
function refuseChangedSecrets(control: Control, script: StoredScript, target: VersionRecord): void {
  const { store } = control;
  const current = (store.deployments.current(script.name)?.versions ?? [])
    .map(({ versionId }) => store.versions.get(script.name, versionId))
    .filter((version) => version !== null);
  for (const version of current) {
    const changed = version.number > target.number ? changedSecrets(target, version) : [];
    if (changed.length > 0) {
      throw new ApiError(
        400,
        CODE.SECRETS_CHANGED,
        `Version ${target.id} cannot be deployed without force. The following secrets have changed: ${changed.join(", ")}`,
      );
    }
  }
}

/** `scripts/{name}/deployments`: which versions serve, in which shares. */
export function deploymentRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  app.get("/workers/scripts/:script/deployments", (c) => {
    const script = requireScript(control, c.req.param("script"));
    return ok(c, { deployments: store.deployments.list(script.name, LISTED_DEPLOYMENTS).map(shown) });
  });

  app.get("/workers/scripts/:script/deployments/:deployment", (c) => {
    const script = requireScript(control, c.req.param("script"));
    const id = c.req.param("deployment");
    const deployment = store.deployments.get(script.name, id);
    if (deployment === null) {
      throw new ApiError(404, CODE.VERSION_NOT_FOUND, `Deployment ${id} of '${script.name}' was not found.`);
    }
    return ok(c, shown(deployment));
  });

  app.post("/workers/scripts/:script/deployments", async (c) => {
    const request = await body(c, deploymentSchema, CODE.WORKER_INVALID);
    const force = request.force === true || c.req.query("force") === "true";
    const deployment = await changes.deploy(() => {
      const script = requireScript(control, c.req.param("script"));
      const versions = request.versions.map(({ version_id }) => requireVersion(control, script, version_id));
      for (const version of versions) {
        const refusal = deployRefusal(control.store, script, version);
        if (refusal !== null) {
          throw refusal;
        }
      }
      const [only] = versions;
      if (!force && versions.length === 1 && only !== undefined) {
        refuseChangedSecrets(control, script, only);
      }
      return addDeployment(control, script.name, {
        versions: request.versions.map(({ version_id, percentage }) => ({
          versionId: version_id,
          percentage,
        })),
        message: request.annotations?.["workers/message"] || null,
        source: source(c),
        triggeredBy: null,
      });
    });
    return ok(c, shown(deployment));
  });

  return app;
}
