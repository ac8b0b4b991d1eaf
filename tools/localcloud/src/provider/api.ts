import Cloudflare from "cloudflare";
import { requireLoopback } from "./loopback.ts";

const TIMEOUT_MS = 30_000;
/** The SDK would repeat a conflict, too; on this machine an answer is final. */
const MAX_RETRIES = 0;

export interface ApiOptions {
  /** Base of the REST API, for example `http://127.0.0.1:8787/client/v4`. */
  readonly baseUrl: string | undefined;
  readonly apiToken: string;
}

export type Api = Cloudflare;

/**
 * Cloudflare's SDK, pointed at this machine.
 *
 * @throws {NotLoopbackError} when the base URL does not lead to this machine
 */
export function connect({ baseUrl, apiToken }: ApiOptions): Api {
  return new Cloudflare({
    baseURL: requireLoopback(baseUrl).href.replace(/\/$/, ""),
    apiToken,
    maxRetries: MAX_RETRIES,
    timeout: TIMEOUT_MS,
  });
}
