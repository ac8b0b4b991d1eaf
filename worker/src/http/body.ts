/** Bodies of requests: their limit, and reading them. */
import { bodyLimit } from "hono/body-limit";
import type { HubContext, HubMiddleware } from "./bindings.ts";
import { ProblemError } from "./problems.ts";
import { watchStream } from "./stream-watch.ts";

/** The client's doing, or its network's: nothing that speaks against the hub. */
function brokenOff(cause: unknown): ProblemError {
  return new ProblemError("upload-broken-off", {
    detail: "The body ended before it was whole; nothing was done. Send the request again.",
    cause,
  });
}

/**
 * Refuses a body over the limit, also one that does not state its length, which is read for that.
 * @param advice how a client gets by with less
 */
export function limitBody(maxBytes: number, advice = ""): HubMiddleware {
  const limit = bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new ProblemError("body-too-large", {
        detail: `This body may have at most ${maxBytes} bytes. ${advice}`.trim(),
        extensions: { max_bytes: maxBytes },
      });
    },
  });
  return async (c, next) => {
    let isReading = true;
    try {
      return await limit(c, async () => {
        isReading = false;
        await next();
      });
    } catch (error) {
      throw isReading && !(error instanceof ProblemError) ? brokenOff(error) : error;
    }
  };
}

/**
 * The whole body.
 * @throws ProblemError `upload-broken-off`
 */
export async function bytesOf(c: HubContext): Promise<ArrayBuffer> {
  try {
    return await c.req.arrayBuffer();
  } catch (error) {
    throw brokenOff(error);
  }
}

/**
 * What `read` makes of the body as it arrives.
 * @throws ProblemError `upload-broken-off`; else what `read` throws
 */
export async function readStream<T>(
  body: ReadableStream<Uint8Array> | null,
  read: (body: ReadableStream<Uint8Array> | null) => Promise<T>,
): Promise<T> {
  if (body === null) return await read(null);
  const broken: { error?: unknown } = {};
  const watched = watchStream(body, {
    onBreak: (error) => {
      broken.error = error;
    },
  });
  try {
    return await read(watched);
  } catch (error) {
    throw "error" in broken ? brokenOff(broken.error) : error;
  }
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
