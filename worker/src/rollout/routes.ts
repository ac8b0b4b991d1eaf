/** `/admin/rollout…`: the operator's side of a rollout, as `contract.ts` describes it. */
import { createRoute, z } from "@hono/zod-openapi";
import {
  createRouter,
  jsonAnswer,
  jsonBody,
  limitBody,
  problemAnswers,
  ProblemError,
} from "../http/index.ts";
import { askObject, obeyed, requireNamespace } from "./commands.ts";
import { DEFAULT_GATE } from "./gate.ts";
import { readHistory } from "./history.ts";
import {
  DEFAULT_HISTORY,
  HistoryQuerySchema,
  HistorySchema,
  PhaseRequestSchema,
  PromoteRequestSchema,
  RollbackRequestSchema,
  RolloutStateSchema,
  StartRequestSchema,
} from "./shapes.ts";

const MAX_COMMAND_BYTES = 16 * 1024;

const IdParameter = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" }, description: "`id` of the rollout's state" }),
});

const common = { tags: ["rollout"], security: [{ adminToken: [] }] };
const stateAnswer = jsonAnswer("The state", RolloutStateSchema);

const READ_PROBLEMS = ["unauthenticated", "no-rollout-here", "rollout-unavailable"] as const;
const BODY_PROBLEMS = ["malformed-json", "body-too-large", "unsupported-media-type", "invalid"] as const;
const COMMAND_PROBLEMS = [
  ...READ_PROBLEMS,
  ...BODY_PROBLEMS,
  "unknown-rollout",
  "rollout-not-active",
] as const;

const stateRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/rollout",
  operationId: "rolloutState",
  summary: "Where the rollout stands",
  responses: { 200: stateAnswer, ...problemAnswers(...READ_PROBLEMS) },
});

const historyRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/rollout/history",
  operationId: "rolloutHistory",
  summary: "What rollouts went through",
  request: { query: HistoryQuerySchema },
  responses: {
    200: jsonAnswer("The newest transitions", HistorySchema),
    ...problemAnswers("unauthenticated", "no-rollout-here", "invalid", "history-unavailable"),
  },
});

const startRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/rollout/start",
  operationId: "startRollout",
  summary: "Begin a rollout, at 0 %",
  request: { body: jsonBody(StartRequestSchema) },
  responses: {
    201: stateAnswer,
    ...problemAnswers(...READ_PROBLEMS, ...BODY_PROBLEMS, "rollout-active"),
  },
});

const phaseRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/rollout/{id}/phase",
  operationId: "setRolloutPhase",
  summary: "Go forward to a phase",
  request: { params: IdParameter, body: jsonBody(PhaseRequestSchema) },
  responses: { 200: stateAnswer, ...problemAnswers(...COMMAND_PROBLEMS, "rollout-phase-backward") },
});

const promoteRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/rollout/{id}/promote",
  operationId: "promoteRollout",
  summary: "End a rollout well: the hub now runs the same bundle",
  request: { params: IdParameter, body: jsonBody(PromoteRequestSchema) },
  responses: { 200: stateAnswer, ...problemAnswers(...COMMAND_PROBLEMS, "rollout-phase-too-low") },
});

const rollbackRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/rollout/{id}/rollback",
  operationId: "rollBackRollout",
  summary: "Take the canary back to 0 % at once",
  request: { params: IdParameter, body: jsonBody(RollbackRequestSchema) },
  responses: { 200: stateAnswer, ...problemAnswers(...COMMAND_PROBLEMS) },
});

/** Operations of the rollout; the admin guard stands before them. */
export function rolloutRoutes() {
  const router = createRouter();
  router.use("/admin/rollout/*", limitBody(MAX_COMMAND_BYTES));
  router.use("/admin/rollout/*", async (c, next) => {
    requireNamespace(c.env);
    c.header("cache-control", "no-store");
    await next();
  });

  router.openapi(stateRoute, async (c) => c.json(await askObject(c.env, (object) => object.state()), 200));

  router.openapi(historyRoute, async (c) => {
    const { limit } = c.req.valid("query");
    try {
      return c.json({ transitions: await readHistory(c.env.DB, limit ?? DEFAULT_HISTORY) }, 200);
    } catch (cause) {
      const detail = "The database did not answer. `GET /admin/rollout` holds the newest transitions.";
      throw new ProblemError("history-unavailable", { detail, headers: { "retry-after": "5" }, cause });
    }
  });

  router.openapi(startRoute, async (c) => {
    const { release, gate } = c.req.valid("json");
    const settings = {
      maxErrorShare: gate?.maxErrorShare ?? DEFAULT_GATE.maxErrorShare,
      minSample: gate?.minSample ?? DEFAULT_GATE.minSample,
    };
    return c.json(
      obeyed(await askObject(c.env, async (object) => await object.start({ release, gate: settings }))),
      201,
    );
  });

  router.openapi(phaseRoute, async (c) => {
    const { phase } = c.req.valid("json");
    const { id } = c.req.valid("param");
    return c.json(obeyed(await askObject(c.env, async (object) => await object.setPhase(id, phase))), 200);
  });

  router.openapi(promoteRoute, async (c) => {
    const { hubVersion } = c.req.valid("json");
    const { id } = c.req.valid("param");
    return c.json(
      obeyed(await askObject(c.env, async (object) => await object.promote(id, hubVersion))),
      200,
    );
  });

  router.openapi(rollbackRoute, async (c) => {
    const { reason } = c.req.valid("json");
    const { id } = c.req.valid("param");
    return c.json(obeyed(await askObject(c.env, async (object) => await object.rollback(id, reason))), 200);
  });

  return router;
}
