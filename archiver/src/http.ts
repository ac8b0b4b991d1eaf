/** The archiver's own HTTP surface: health for probes, and the operator's hand on the archive. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Env } from "./env.generated.ts";
import { readHealth } from "./health.ts";

/** What a route may do beside answering. */
export interface HttpActions {
  readonly runArchive: () => Promise<unknown>;
}

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

/** An RFC 9457 problem document. */
function problem(content: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(content, {
    status: content.status,
    headers: { ...headers, "content-type": "application/problem+json", "cache-control": "no-store" },
  });
}

const UNAUTHORIZED: Problem = {
  type: "urn:strata:problem:unauthorized",
  title: "Unauthorized",
  status: 401,
  detail: "Send the admin token as `Authorization: Bearer <token>`.",
};

const FAILED: Problem = {
  type: "urn:strata:problem:archive-run-failed",
  title: "The archive run failed",
  status: 500,
  detail: "What was not moved is still hot, and nothing is lost. The log says why; run it again.",
};

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Compares in constant time; without a configured token nobody is an admin. */
function isAdmin(request: Request, env: Env): boolean {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  if (token === undefined || typeof env.ADMIN_TOKEN !== "string" || env.ADMIN_TOKEN === "") return false;
  return timingSafeEqual(digest(token), digest(env.ADMIN_TOKEN));
}

async function health(env: Env): Promise<Response> {
  const report = await readHealth(env);
  const healthy = Object.values(report.bindings).every((state) => state === "ok");
  return Response.json(report, { status: healthy ? 200 : 503, headers: { "cache-control": "no-store" } });
}

async function runArchive(request: Request, env: Env, actions: HttpActions): Promise<Response> {
  if (!isAdmin(request, env)) return problem(UNAUTHORIZED, { "www-authenticate": "Bearer" });
  try {
    return Response.json(await actions.runArchive(), { headers: { "cache-control": "no-store" } });
  } catch {
    return problem(FAILED);
  }
}

/** Answers `GET /health` and `POST /admin/archive/run`; everything else is a problem document. */
export async function handleRequest(request: Request, env: Env, actions: HttpActions): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/health") {
    return request.method === "GET" || request.method === "HEAD"
      ? health(env)
      : methodNotAllowed("GET, HEAD");
  }
  if (pathname === "/admin/archive/run") {
    return request.method === "POST" ? runArchive(request, env, actions) : methodNotAllowed("POST");
  }
  return problem({
    type: "urn:strata:problem:not-found",
    title: "Not found",
    status: 404,
    detail:
      "The archiver answers GET /health and POST /admin/archive/run. Records go through the hub, and the operator's other routes are the hub's /admin/*.",
  });
}

function methodNotAllowed(allow: string): Response {
  return problem(
    {
      type: "urn:strata:problem:method-not-allowed",
      title: "Method not allowed",
      status: 405,
      detail: `This path takes ${allow}.`,
    },
    { allow },
  );
}
