/** The OpenAPI 3.1 document of every route. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { API_KEY_HEADER } from "../auth/index.ts";
import type { HubEnv } from "../http/index.ts";

export type OpenApiDocument = ReturnType<OpenAPIHono<HubEnv>["getOpenAPI31Document"]>;

const INFO = {
  title: "Strata hub",
  version: "1",
  description:
    "Takes records, reads them back from hot and cold storage, and carries releases out by phases. " +
    "Every refusal is a problem document (RFC 9457) whose `type` is stable. " +
    "While a release is carried out, any address outside `/admin` may also answer `canary-failed` (502) or " +
    "`canary-timeout` (504), and refuses a `strata-lane` header that an operator did not send. " +
    "`strata-lane` and `strata-version` of an answer say who made it; `strata-fallback` (`error`, `exception` or " +
    "`overdue`) marks a read that the stable lane has answered because the canary did not.",
};

const TAGS = [
  { name: "service", description: "What answers, and how it is" },
  { name: "records", description: "Ingest and read" },
  { name: "archive", description: "Operations of the archive" },
  { name: "rollout", description: "Operations of a release" },
];

/** Names the credentials, once for an application. */
export function registerCredentials(app: OpenAPIHono<HubEnv>): void {
  const register = app.openAPIRegistry.registerComponent.bind(app.openAPIRegistry, "securitySchemes");
  register("apiKey", { type: "apiKey", in: "header", name: API_KEY_HEADER });
  register("bearer", { type: "http", scheme: "bearer", description: "The API key as a bearer token" });
  register("adminToken", { type: "http", scheme: "bearer", description: "The admin token" });
}

/** The document of an application, as it stands. */
export function openApiDocument(app: OpenAPIHono<HubEnv>): OpenApiDocument {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: INFO,
    servers: [{ url: "/", description: "This hub" }],
    tags: TAGS,
  });
}
