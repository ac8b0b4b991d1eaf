/** `DELETE /admin/datasets/{id}`, `GET /admin/erasures`. */
import { createRoute } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, problemAnswers } from "../http/index.ts";
import { callArchiver, operationRefusal, retryAfter } from "../records/index.ts";
import { OPERATION_TIMEOUT_MS } from "./bounds.ts";
import { DatasetParameters, ErasureReceiptSchema, ErasuresSchema } from "./erasure-shapes.ts";

/** An erasure goes on with each call: there is nothing to wait for but the connection. */
const CONTINUE_AFTER_SECONDS = 1;

const common = { tags: ["archive"], security: [{ adminToken: [] }] };
const PROBLEMS = ["unauthenticated", "archiver-unavailable", "archiver-timeout"] as const;

const eraseRoute = createRoute({
  ...common,
  method: "delete",
  path: "/admin/datasets/{id}",
  operationId: "eraseDataset",
  summary: "Erase every record of a dataset",
  description:
    "Erases what was accepted before the call. Call it again, for the same dataset, while the answer is 202: each call goes on with the work.",
  request: { params: DatasetParameters },
  responses: {
    200: jsonAnswer("Erased", ErasureReceiptSchema),
    202: jsonAnswer("No read finds anything any more; files are still to be rewritten", ErasureReceiptSchema),
    ...problemAnswers(...PROBLEMS, "invalid", "archive-busy"),
  },
});

const erasuresRoute = createRoute({
  ...common,
  method: "get",
  path: "/admin/erasures",
  operationId: "listErasures",
  summary: "Receipts of erasures",
  responses: { 200: jsonAnswer("The newest", ErasuresSchema), ...problemAnswers(...PROBLEMS) },
});

/** Erasure of a dataset, and what was erased. */
export function erasureRoutes() {
  const router = createRouter();

  router.openapi(eraseRoute, async (c) => {
    const { id: datasetId } = c.req.valid("param");
    const result = await callArchiver(
      c.env.ARCHIVER,
      (archiver) => archiver.erase({ datasetId }),
      OPERATION_TIMEOUT_MS,
    );
    if (!result.ok) throw operationRefusal(result);
    const { receipt } = result;
    return receipt.state === "done"
      ? c.json(receipt, 200)
      : c.json(receipt, 202, retryAfter(CONTINUE_AFTER_SECONDS));
  });

  router.openapi(erasuresRoute, async (c) => {
    const erasures = await callArchiver(c.env.ARCHIVER, (archiver) => archiver.erasures());
    return c.json({ erasures }, 200);
  });

  return router;
}
