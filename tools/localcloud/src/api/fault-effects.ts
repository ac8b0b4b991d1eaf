/** Makes calls fail as the rules say, where only the connection itself can show it. */
import { once } from "node:events";
import { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Http2Bindings, HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { FaultEffect, Faults } from "./faults.ts";

type Fetch = (request: Request, env: HttpBindings | Http2Bindings) => Response | Promise<Response>;

/** Below this the product's API is served, which is what fails. */
const API = /^\/client\/v4(?=\/|$)/;
/** Beside it, what the API hands out addresses of. */
const HANDED_OUT = /^\/__local\/d1-(import|export)\//;

/** What the rules call the path of a call; `null` for what never fails: the local cloud's own calls. */
function ruledPath(url: string): string | null {
  const { pathname } = new URL(url);
  if (API.test(pathname)) return pathname.replace(API, "");
  return HANDED_OUT.test(pathname) ? pathname : null;
}

/** The API with faults: `fetch` for what no rule takes. */
export function withFaults(fetch: Fetch, faults: Faults): Fetch {
  return async (request, env) => {
    const path = ruledPath(request.url);
    const effect = path === null ? undefined : faults.meet(request.method, path);
    if (effect === undefined) return await fetch(request, env);
    // A client that gave up meanwhile was never heard.
    if (!(await waited(effect.latencyMs ?? 0, env))) return RESPONSE_ALREADY_SENT;
    return await suffer(effect, request, env, fetch);
  };
}

/** Whether the client is still there after so many milliseconds. */
async function waited(ms: number, { outgoing }: HttpBindings | Http2Bindings): Promise<boolean> {
  if (ms === 0) return true;
  const over = new AbortController();
  const { signal } = over;
  const gone = once(outgoing, "close", { signal }).then(
    () => false,
    () => false,
  );
  const still = await Promise.race([delay(ms, true, { signal }).catch(() => false), gone]);
  over.abort();
  return still;
}

async function suffer(
  effect: FaultEffect,
  request: Request,
  env: HttpBindings | Http2Bindings,
  fetch: Fetch,
): Promise<Response> {
  const { status, drop, cut, cutIn = "request" } = effect;
  if (status !== undefined) {
    await readAtMost(request.body, Number.POSITIVE_INFINITY);
    return refusal(status, effect);
  }
  if (drop === "before") return hangUp(env);
  if (drop === "after") {
    const answer = await fetch(request, env);
    await answer.arrayBuffer();
    return hangUp(env);
  }
  if (cut === undefined) return await fetch(request, env);
  if (cutIn === "request") {
    await readAtMost(request.body, cut);
    return hangUp(env);
  }
  const answer = await fetch(request, env);
  await answerPart(answer, cut, env);
  return hangUp(env);
}

function refusal(status: number, { code = status, message, headers }: FaultEffect): Response {
  const error = { code, message: message ?? `fault injected: ${status}` };
  return Response.json(
    { success: false, errors: [error], messages: [], result: null },
    { status, headers: headers ?? {} },
  );
}

function hangUp({ incoming }: HttpBindings | Http2Bindings): Response {
  incoming.socket.destroy();
  return RESPONSE_ALREADY_SENT;
}

/** Reads a body until `bytes` of it have come, or all. */
async function readAtMost(stream: ReadableStream<Uint8Array> | null, bytes: number): Promise<void> {
  if (stream === null || bytes === 0) return;
  let read = 0;
  try {
    for await (const chunk of stream) {
      read += chunk.byteLength;
      if (read >= bytes) return;
    }
  } catch {
    // The client was faster in hanging up.
  }
}

/** Sends the head of an answer, which announces all of the body, and the first `bytes` of that. */
async function answerPart(answer: Response, bytes: number, env: HttpBindings | Http2Bindings): Promise<void> {
  const { outgoing } = env;
  if (!(outgoing instanceof ServerResponse)) throw new Error("faults are made over HTTP/1.1 only");
  const content = new Uint8Array(await answer.arrayBuffer());
  const headers = Object.fromEntries(answer.headers);
  // The announced length cannot be reached, so that no client takes the part for the whole.
  headers["content-length"] = String(Math.max(content.length, bytes + 1));
  outgoing.writeHead(answer.status, headers);
  outgoing.flushHeaders();
  await new Promise<void>((resolve) => {
    outgoing.once("close", resolve);
    outgoing.write(content.subarray(0, bytes), () => resolve());
  });
}
