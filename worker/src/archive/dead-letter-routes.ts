/** `GET /admin/dead-letters`, `POST /admin/dead-letters/replay | purge`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, jsonBody, problemAnswers } from "../http/index.ts";
import { callArchiver } from "../records/index.ts";
import { OPERATION_TIMEOUT_MS } from "./bounds.ts";
import {
  DeadLetterChoiceSchema,
  DeadLetterOutcomeSchema,
  DeadLetterPageSchema,
  DeadLetterQuerySchema,
  DEFAULT_DEAD_LETTERS,
} from "./dead-letter-shapes.ts";

const common = { tags: ["archive"], security: [{ adminToken: [] }] };
const PROBLEMS = ["unauthenticated", "invalid", "archiver-unavailable", "archiver-timeout"] as const;
const BODY_PROBLEMS = ["malformed-json", "body-too-large", "unsupported-media-type"] as const;

const listRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/dead-letters",
  operationId: "listDeadLetters",
  summary: "Messages that could not be stored, and why",
  request: { query: DeadLetterQuerySchema },
  responses: { 200: jsonAnswer("One page", DeadLetterPageSchema), ...problemAnswers(...PROBLEMS) },
});

const replayRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/dead-letters/replay",
  operationId: "replayDeadLetters",
  summary: "Send dead letters back to the queue",
  description: 'Body: `{"ids": [1, 2]}` or `{"all": true}`.',
  request: { body: jsonBody(DeadLetterChoiceSchema) },
  responses: {
    200: jsonAnswer("How many went back", DeadLetterOutcomeSchema),
    ...problemAnswers(...PROBLEMS, ...BODY_PROBLEMS),
  },
});

const purgeRoute = createRoute({
  ...common,
  method: "post",
  path: "/admin/dead-letters/purge",
  operationId: "purgeDeadLetters",
  summary: "Delete dead letters for good",
  description: 'Body: `{"ids": [1, 2]}` or `{"all": true}`.',
  request: { body: jsonBody(DeadLetterChoiceSchema) },
  responses: {
    200: jsonAnswer("How many were deleted", DeadLetterOutcomeSchema),
    ...problemAnswers(...PROBLEMS, ...BODY_PROBLEMS),
  },
});

/** What became of messages that could not be stored. */
export function deadLetterRoutes() {
  const router = createRouter();

  router.openapi(listRoute, async (c) => {
    const { after, limit = DEFAULT_DEAD_LETTERS } = c.req.valid("query");
    return c.json(
      await callArchiver(c.env.ARCHIVER, (archiver) => archiver.deadLetters({ after, limit })),
      200,
    );
  });

  router.openapi(replayRoute, async (c) => {
    const choice = c.req.valid("json");
    const replay = callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.replayDeadLetters(choice),
      OPERATION_TIMEOUT_MS,
    );
    return c.json(await replay, 200);
  });

  router.openapi(purgeRoute, async (c) => {
    const choice = c.req.valid("json");
    const purge = callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.purgeDeadLetters(choice),
      OPERATION_TIMEOUT_MS,
    );
    return c.json(await purge, 200);
  });

  return router;
}
