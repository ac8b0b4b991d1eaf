import { bodyLimit } from "hono/body-limit";
import type { HubMiddleware } from "./bindings.ts";
import { ProblemError } from "./problems.ts";

/** Largest body that any route takes, in bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** Refuses a body over the limit, also one that does not state its length. */
export function limitBody(maxBytes: number = MAX_BODY_BYTES): HubMiddleware {
  return bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new ProblemError("body-too-large", {
        detail: `A body may have at most ${maxBytes} bytes. Send the records in several requests.`,
        extensions: { max_bytes: maxBytes },
      });
    },
  });
}

/**
 * Refuses a body that is not UTF-8, which JSON has to be (RFC 8259 section 8.1).
 * Reading it as text would put another character in the place of every wrong byte.
 */
export function requireUtf8(): HubMiddleware {
  return async (c, next) => {
    try {
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(await c.req.arrayBuffer());
    } catch (cause) {
      throw new ProblemError("malformed-json", {
        detail: "The body is not UTF-8, as JSON has to be.",
        cause,
      });
    }
    await next();
  };
}
