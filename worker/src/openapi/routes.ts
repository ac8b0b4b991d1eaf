/** `GET /openapi.json` and its browsable form at `GET /docs`. */
import { createRoute, z, type OpenAPIHono } from "@hono/zod-openapi";
import { createRouter, jsonAnswer, problemAnswers, type HubEnv } from "../http/index.ts";
import { docsPage } from "./docs-page.ts";
import { openApiDocument, registerCredentials, type OpenApiDocument } from "./document.ts";

const documentRoute = createRoute({
  method: "get",
  path: "/openapi.json",
  operationId: "openApiDocument",
  summary: "This API as an OpenAPI 3.1 document",
  tags: ["service"],
  responses: { 200: jsonAnswer("The document", z.record(z.string(), z.unknown())), ...problemAnswers() },
});

const docsRoute = createRoute({
  method: "get",
  path: "/docs",
  operationId: "docs",
  summary: "This API as a page",
  tags: ["service"],
  responses: {
    200: { description: "The page", content: { "text/html": { schema: z.string() } } },
    ...problemAnswers(),
  },
});

/** The document is built on the first question: by then all routes are there. */
export function documentRoutes(app: OpenAPIHono<HubEnv>) {
  let built: OpenApiDocument | null = null;
  const document = (): OpenApiDocument => (built ??= openApiDocument(app));
  registerCredentials(app);

  const router = createRouter();
  router.openapi(documentRoute, (c) => {
    const answer: Record<string, unknown> = { ...document() };
    return c.json(answer, 200);
  });
  router.openapi(docsRoute, (c) => {
    const nonce = crypto.randomUUID();
    c.header(
      "content-security-policy",
      `default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; frame-ancestors 'none'`,
    );
    return c.html(docsPage(document(), nonce));
  });
  return router;
}
