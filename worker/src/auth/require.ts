/** Middleware that lets only the holder of a credential pass. */
import { ProblemError, type HubMiddleware } from "../http/index.ts";
import type { Env } from "../env.generated.ts";
import { API_KEY_HEADER, apiKey, bearerToken, sameSecret } from "./credential.ts";

type SecretName = "ADMIN_TOKEN" | "BOOTSTRAP_API_KEY";

interface Guard {
  readonly secret: SecretName;
  readonly credential: (headers: Headers) => string | null;
  /** How to send the credential, for the refusal. */
  readonly advice: string;
}

const API_KEY: Guard = {
  secret: "BOOTSTRAP_API_KEY",
  credential: apiKey,
  advice: `Send the API key as \`Authorization: Bearer <key>\` or in \`${API_KEY_HEADER}\`.`,
};

const ADMIN: Guard = {
  secret: "ADMIN_TOKEN",
  credential: bearerToken,
  advice: "Send the admin token as `Authorization: Bearer <token>`.",
};

function expectedSecret(env: Env, name: SecretName): string {
  const secret: string | undefined = env[name];
  if (secret === undefined || secret === "") {
    throw new ProblemError("not-configured", {
      detail: `The secret ${name} is not set, so nobody can be let in. Set it with \`wrangler secret put ${name}\`.`,
    });
  }
  return secret;
}

async function holds(guard: Guard, headers: Headers, env: Env): Promise<boolean> {
  const expected = expectedSecret(env, guard.secret);
  const given = guard.credential(headers);
  return given !== null && (await sameSecret(given, expected));
}

function require(guard: Guard): HubMiddleware {
  return async (c, next) => {
    if (!(await holds(guard, c.req.raw.headers, c.env))) {
      throw new ProblemError("unauthenticated", {
        detail: `The credential is missing or wrong. ${guard.advice}`,
        headers: { "www-authenticate": 'Bearer realm="strata"' },
      });
    }
    await next();
  };
}

/** Lets requests with an API key pass; others are answered 401. */
export function requireApiKey(): HubMiddleware {
  return require(API_KEY);
}

/** Lets requests with the admin token pass; others are answered 401. */
export function requireAdmin(): HubMiddleware {
  return require(ADMIN);
}

/** Whether a request carries the admin token. */
export async function isAdmin(headers: Headers, env: Env): Promise<boolean> {
  return await holds(ADMIN, headers, env);
}
