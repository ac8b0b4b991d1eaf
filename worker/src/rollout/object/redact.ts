/** Takes secrets out of every text that leaves the rollout object or is kept by it. */
import { SECRET_NAMES } from "../../http/index.ts";
import type { LogFields, RolloutSettings } from "./surroundings.ts";

const MASK = "[secret]";

/** Shorter ones would take out parts of ordinary words. */
const MIN_SECRET = 6;
const MIN_PATH = 12;

/** RFC 6750 and RFC 7617: what follows the scheme is the credential. */
const CREDENTIAL = /\b(bearer|basic|token)(\s+|\s*[:=]\s*)["']?[\w.~+/=-]{8,}/gi;
const NAMED =
  /\b(api[-_ ]?key|access[-_ ]?token|secret|password|passwd|authorization)(\s*[:=]\s*)["']?[^\s"',;&]+/gi;
const URL_TEXT = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;

/** The values themselves, and the paths of the URLs among them: a channel's path is what opens it. */
function secretsOf(settings: Partial<RolloutSettings>): readonly string[] {
  return SECRET_NAMES.flatMap((name) => {
    const value = settings[name];
    if (value === undefined) return [];
    const path = URL.parse(value)?.pathname ?? "";
    return [value, encodeURIComponent(value), path.length < MIN_PATH ? "" : path];
  })
    .filter((secret) => secret.length >= MIN_SECRET)
    .sort((left, right) => right.length - left.length);
}

/** Without user and password, query and fragment. */
function bareUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.username === "" && url.password === "" && url.search === "" && url.hash === "")) {
    return text;
  }
  const query = url.search === "" ? "" : `?${MASK}`;
  return `${url.protocol}//${url.host}${url.pathname}${query}`;
}

/** The text without secrets of the environment, credentials, and what URLs carry beside their path. */
export function redact(text: string, settings: Partial<RolloutSettings>): string {
  return secretsOf(settings)
    .reduce((clean, secret) => clean.replaceAll(secret, MASK), text)
    .replace(URL_TEXT, bareUrl)
    .replace(CREDENTIAL, (_match, scheme: string, between: string) => `${scheme}${between}${MASK}`)
    .replace(NAMED, (_match, name: string, between: string) => `${name}${between}${MASK}`);
}

/** Log fields whose texts are redacted. */
export function redactFields(fields: LogFields, settings: Partial<RolloutSettings>): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "string" ? redact(value, settings) : value,
    ]),
  );
}
