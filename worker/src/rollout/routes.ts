/** `/admin/rollout…`: the operator's side of a rollout, as `contract.ts` describes it. */
import { createRoute, z } from "@hono/zod-openapi";
import {
  createRouter,
  jsonAnswer,
  jsonBody,
  limitBody,
  problemAnswers,
  ProblemError,
  type ProblemKind,
} from "../http/index.ts";
import { actorOf, askObject, obeyed, requireNamespace, requireWebhookKey } from "./commands.ts";
import { ACTOR_HEADER, type RolloutCommandName } from "./contract.ts";
import type { OperatorCommand } from "./machine/machine.ts";
import { metricsText } from "./metrics.ts";
import { readHistory } from "./object/index.ts";
import { shownState } from "./shown.ts";
import {
  COMMAND_SCHEMAS,
  DEFAULT_HISTORY,
  HistoryQuerySchema,
  HistorySchema,
  RolloutStateSchema,
  StartRequestSchema,
} from "./shapes.ts";

/** A plan of twenty phases with ten webhooks each fits. */
const MAX_COMMAND_BYTES = 128 * 1024;

const IdParameter = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" }, description: "`id` of the rollout's state" }),
});
const ActorHeader = z.object({
  [ACTOR_HEADER]: z
    .string()
    .optional()
    .openapi({ description: "Who gives the command; `operator` unless told" }),
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

const metricsRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/rollout/metrics",
  operationId: "rolloutMetrics",
  summary: "Where the rollout stands, for Prometheus",
  responses: {
    200: { description: "Text exposition format 0.0.4", content: { "text/plain": { schema: z.string() } } },
    ...problemAnswers(...READ_PROBLEMS),
  },
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
  summary: "Open a rollout, at 0 %",
  request: { headers: ActorHeader, body: jsonBody(StartRequestSchema) },
  responses: {
    201: stateAnswer,
    ...problemAnswers(
      ...READ_PROBLEMS,
      ...BODY_PROBLEMS,
      "rollout-active",
      "rollout-wrong-phase",
      "webhook-key-missing",
    ),
  },
});

interface CommandRoute {
  readonly operationId: string;
  readonly summary: string;
  /** Beside those that every command has. */
  readonly problems: readonly ProblemKind[];
}

const COMMAND_ROUTES: Readonly<Record<RolloutCommandName, CommandRoute>> = {
  begin: {
    operationId: "beginRollout",
    summary: "The release was checked: go to phase 1, or to what stands before it",
    problems: ["rollout-needs-approval", "rollout-not-safe", "rollout-out-of-order"],
  },
  "go-on": {
    operationId: "goOnWithRollout",
    summary: "Set the phase to stop at, and go on to it",
    problems: ["rollout-wrong-phase", "rollout-needs-approval", "rollout-not-safe", "rollout-out-of-order"],
  },
  promote: {
    operationId: "promoteRolloutPhase",
    summary: "End a phase before its time; never one that fails",
    problems: [
      "rollout-wrong-phase",
      "rollout-failing",
      "rollout-needs-approval",
      "rollout-not-safe",
      "rollout-out-of-order",
    ],
  },
  hold: {
    operationId: "holdRollout",
    summary: "Stay in the phase",
    problems: ["rollout-wrong-phase", "rollout-not-safe", "rollout-out-of-order"],
  },
  resume: {
    operationId: "resumeRollout",
    summary: "Go on after a pause, or with force after a freeze",
    problems: ["rollout-wrong-phase", "rollout-needs-approval", "rollout-not-safe", "rollout-out-of-order"],
  },
  approve: {
    operationId: "approveRolloutPhase",
    summary: "Let the rollout enter a phase",
    problems: ["rollout-wrong-phase", "rollout-not-safe", "rollout-out-of-order"],
  },
  rollback: {
    operationId: "rollBackRollout",
    summary: "Take the canary back to 0 % at once",
    problems: ["rollout-wrong-phase", "rollout-not-safe"],
  },
  promoting: {
    operationId: "promotingRollout",
    summary: "Say that a script is about to get the release",
    problems: ["rollout-not-promoting", "rollout-out-of-order"],
  },
  complete: {
    operationId: "completeRollout",
    summary: "End a rollout well: the scripts carry the release",
    problems: ["rollout-not-promoting", "rollout-out-of-order"],
  },
  returned: {
    operationId: "returnedRollout",
    summary: "Say that a script has its former version again",
    problems: ["rollout-out-of-order"],
  },
};

const COMMAND_NAMES = Object.keys(COMMAND_SCHEMAS).filter(
  (name): name is RolloutCommandName => name in COMMAND_ROUTES,
);

/** A route of its own for every command, so that each has its body and its problems documented. */
function commandRoute(name: RolloutCommandName) {
  const { operationId, summary, problems } = COMMAND_ROUTES[name];
  return createRoute({
    ...common,
    method: "post",
    path: `/admin/rollout/{id}/${name}`,
    operationId,
    summary,
    request: { params: IdParameter, headers: ActorHeader, body: jsonBody(COMMAND_SCHEMAS[name]) },
    responses: { 200: stateAnswer, ...problemAnswers(...COMMAND_PROBLEMS, ...problems) },
  });
}

/** Operations of the rollout; the admin guard stands before them. */
export function rolloutRoutes() {
  const router = createRouter();
  router.use("/admin/rollout/*", limitBody(MAX_COMMAND_BYTES));
  router.use("/admin/rollout/*", async (c, next) => {
    requireNamespace(c.env);
    c.header("cache-control", "no-store");
    await next();
  });

  router.openapi(stateRoute, async (c) =>
    c.json(shownState(await askObject(c.env, (object) => object.state())), 200),
  );

  router.openapi(metricsRoute, async (c) =>
    c.text(metricsText(await askObject(c.env, (object) => object.state())), 200),
  );

  router.openapi(historyRoute, async (c) => {
    const { limit, rollout } = c.req.valid("query");
    try {
      const transitions = await readHistory(c.env.DB, limit ?? DEFAULT_HISTORY, rollout ?? null);
      return c.json({ transitions }, 200);
    } catch (cause) {
      const detail = "The database did not answer. `GET /admin/rollout` holds the newest transitions.";
      throw new ProblemError("history-unavailable", { detail, headers: { "retry-after": "5" }, cause });
    }
  });

  router.openapi(startRoute, async (c) => {
    const request = c.req.valid("json");
    const by = actorOf(c);
    requireWebhookKey(c.env, request.plan);
    const outcome = await askObject(c.env, async (object) => await object.start(request, by));
    return c.json(shownState(obeyed(outcome)), 201);
  });

  for (const name of COMMAND_NAMES) {
    router.openapi(commandRoute(name), async (c) => {
      const { id } = c.req.valid("param");
      // The body was read with the schema of this very command.
      const command = { ...c.req.valid("json"), kind: name, id, by: actorOf(c) } as OperatorCommand;
      const outcome = await askObject(c.env, async (object) => await object.command(command));
      return c.json(shownState(obeyed(outcome)), 200);
    });
  }

  return router;
}
