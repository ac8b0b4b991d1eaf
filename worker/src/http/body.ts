import { bodyLimit } from "hono/body-limit";
import type { HubMiddleware } from "./bindings.ts";
import { ProblemError } from "./problems.ts";

/**
 * Refuses a body over the limit, also one that does not state its length.
 * @param advice how a client gets by with less
 */
export function limitBody(maxBytes: number, advice = ""): HubMiddleware {
  return bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new ProblemError("body-too-large", {
        detail: `This body may have at most ${maxBytes} bytes. ${advice}`.trim(),
        extensions: { max_bytes: maxBytes },
      });
    },
  });
}

/**
 * The text of a body that has to be UTF-8, as JSON has to be (RFC 8259 section
 * 8.1), without a byte order mark. A lenient decoder would put another
 * character in the place of every wrong byte.
 * @throws ProblemError `malformed-json`
 */
export function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (cause) {
    throw new ProblemError("malformed-json", {
      detail: "The body is not UTF-8, as JSON has to be.",
      cause,
    });
  }
}
