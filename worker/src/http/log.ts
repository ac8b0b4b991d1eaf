/** Structured logs: one JSON object a line, secrets taken out. */
import type { Env } from "../env.generated.ts";

export type LogLevel = "info" | "warn" | "error";

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Of the bindings, those whose values must be in no log. */
export const SECRET_NAMES = [
  "ADMIN_TOKEN",
  "BOOTSTRAP_API_KEY",
  "ROLLOUT_WEBHOOK_KEY",
  "NOTIFY_SLACK_URL",
  "NOTIFY_DISCORD_URL",
  "NOTIFY_WEBHOOK_URL",
] as const satisfies readonly (keyof Env)[];

type Secrets = Pick<Env, (typeof SECRET_NAMES)[number]>;

const MASK = "[secret]";

/** The text without any secret of the environment. */
export function redact(text: string, env: Partial<Secrets>): string {
  return SECRET_NAMES.flatMap((name) => env[name] || [])
    .toSorted((a, b) => b.length - a.length)
    .reduce((clean, secret) => clean.replaceAll(secret, MASK), text);
}

/** Writes one line. Undefined fields are left out. */
export function log(env: Partial<Secrets>, level: LogLevel, event: string, fields: LogFields): void {
  const clean = (_name: string, value: unknown): unknown =>
    typeof value === "string" ? redact(value, env) : value;
  const line = JSON.stringify({ level, event, ...fields }, clean);
  // oxlint-disable-next-line no-console -- the platform collects logs from the console
  console[level === "info" ? "log" : level](line);
}

/** Message and stack of anything thrown, for a log line. */
export function errorFields(error: unknown): { readonly error: string; readonly stack?: string | undefined } {
  if (!(error instanceof Error)) return { error: String(error) };
  const cause = error.cause === undefined ? "" : ` (cause: ${errorFields(error.cause).error})`;
  return { error: `${error.name}: ${error.message}${cause}`, stack: error.stack };
}
