import { Hono } from "hono";
import { z } from "zod";
import type { Control } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { requireScript } from "./publish.ts";
import { body } from "./request.ts";

const cronSchema = z.object({ script: z.string(), cron: z.string().optional() });

/** One script of `/__local/state`. */
function scriptState(control: Control, name: string): unknown {
  const { store } = control;
  const script = requireScript(control, name);
  const deployment = store.deployments.current(name);
  return {
    name,
    id: script.id,
    url: `http://${control.host}:${script.port}`,
    port: script.port,
    public: script.subdomainEnabled,
    deploymentId: deployment?.id ?? null,
    versions: (deployment?.versions ?? []).map(({ versionId, percentage }) => {
      const version = store.versions.get(name, versionId);
      return {
        id: versionId,
        percentage,
        number: version?.number ?? null,
        tag: version?.tag ?? null,
        message: version?.message ?? null,
        createdAt: version === null ? null : timestamp(version.createdAt),
      };
    }),
    crons: script.crons,
    durableObjectClasses: store.scripts.classesOf(name).map(({ className }) => className),
    consumes: store.queues
      .consumers()
      .filter(({ scriptName }) => scriptName === name)
      .map(({ queueId }) => store.queues.get(queueId)?.name ?? queueId),
  };
}

async function queueStates(control: Control): Promise<unknown[]> {
  const stats = new Map((await control.runtime.queueStats()).map((one) => [one.queueId, one]));
  return control.store.queues.list().map((queue) => {
    const counted = stats.get(queue.id);
    return {
      id: queue.id,
      name: queue.name,
      deliveryDelaySeconds: queue.deliveryDelaySeconds,
      deliveryPaused: queue.deliveryPaused,
      retentionSeconds: queue.retentionSeconds,
      consumer: control.store.queues.consumerOf(queue.id)?.scriptName ?? null,
      backlog: counted?.backlog ?? 0,
      inFlight: counted?.inFlight ?? 0,
      delivered: counted?.delivered ?? 0,
      deadLettered: counted?.deadLettered ?? 0,
    };
  });
}

/** `/__local`: what the local cloud offers beyond Cloudflare's API. */
export function localRoutes(control: Control): Hono {
  const app = new Hono();
  const { store } = control;

  app.get("/__local/health", (c) => c.json({ status: "ok", pid: process.pid, accountId: control.accountId }));

  app.get("/__local/state", async (c) =>
    c.json({
      accountId: control.accountId,
      scripts: store.scripts.list().map(({ name }) => scriptState(control, name)),
      queues: await queueStates(control),
      kvNamespaces: store.kv.list(),
      d1Databases: store.d1.list().map(({ id, name }) => ({ id, name })),
      r2Buckets: store.r2.list().map(({ name }) => ({ name })),
      unknownCalls: control.unknownCalls.length,
    }),
  );

  app.get("/__local/unknown", (c) =>
    c.json(control.unknownCalls.map((call) => ({ ...call, at: timestamp(call.at) }))),
  );

  app.post("/__local/cron", async (c) => {
    const request = await body(c, cronSchema, CODE.WORKER_INVALID);
    const script = requireScript(control, request.script);
    if (store.deployments.current(script.name) === null) {
      throw new ApiError(409, CODE.WORKER_INVALID, `Worker '${script.name}' has no code to run.`);
    }
    const cron = request.cron ?? script.crons[0];
    if (cron === undefined) {
      throw new ApiError(400, CODE.CRON_INVALID, `Worker '${script.name}' has no cron; name one.`);
    }
    return ok(c, await control.runtime.fireCron(script.name, cron));
  });

  app.post("/__local/stop", (c) => {
    control.requestStop();
    return ok(c, { stopping: true });
  });

  return app;
}
