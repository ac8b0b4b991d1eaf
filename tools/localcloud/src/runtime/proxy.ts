/** Passes a request on to a worker's own socket and its answer back, both streaming. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  Agent,
  request as openRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { pipeline, type Duplex } from "node:stream";
import { setImmediate, setTimeout } from "node:timers/promises";

/** The shorter of the two ends' patience: workerd closes idle connections after 5 s. */
const agent = new Agent({ keepAlive: true, timeout: 3000, scheduling: "lifo" });

/** Headers that speak of one connection (RFC 9110 §7.6.1), and those that only Miniflare may set. */
const CONNECTION_HEADERS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding"]);
const RESERVED_HEADER = /^mf-/;

/** After the first chunk, in milliseconds: most refusals need no more than the head of the request. */
const FIRST_PAUSE_MS = 25;

/** Between two chunks of 64 KiB, in milliseconds: about 60 MB/s, far above what a laptop's tests need. */
const BODY_PAUSE_MS = 1;

/** `request.cf`, as far as a laptop has an answer. */
const CF = JSON.stringify({ colo: "LOC", country: "XX", httpProtocol: "HTTP/1.1", tlsVersion: "" });

/** Resolves when the answer has been sent, or the client has gone. */
export function forward(request: IncomingMessage, response: ServerResponse, target: URL): Promise<void> {
  const ray = newRay();
  const headers = requestHeaders(request, ray);
  return send(request, response, target, headers, ray, true);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
  headers: readonly string[],
  ray: string,
  retry: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const hasBody =
      request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined;
    const upstream = open(request, target, headers);
    const gone = () => upstream.destroy();
    response.once("close", gone);
    let answered = false;
    upstream.once("response", (answer) => {
      answered = true;
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer, ray));
      response.flushHeaders();
      pipeline(answer, response, () => {
        response.off("close", gone);
        if (!upstream.writableEnded) upstream.destroy();
        resolve();
      });
    });
    upstream.on("error", (error: NodeJS.ErrnoException) => {
      // The worker need not read a body that it has answered; the answer goes on.
      if (answered) return;
      response.off("close", gone);
      if (response.closed || response.headersSent) {
        response.destroy();
        resolve();
      } else if (retry && !hasBody && upstream.reusedSocket && error.code === "ECONNRESET") {
        // workerd closed the idle connection at the moment it was taken up again.
        resolve(send(request, response, target, headers, ray, false));
      } else {
        reject(error);
      }
    });
    if (hasBody) void sendBody(request, upstream, () => answered);
    else upstream.end();
  });
}

/**
 * Streams the body. A worker may answer before it has read all of it (413, 401) and close the socket at
 * once: a pause between two writes lets that answer be read before a write fails, which would lose it.
 */
async function sendBody(
  request: IncomingMessage,
  upstream: ClientRequest,
  isAnswered: () => boolean,
): Promise<void> {
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  for (const event of ["response", "close"]) upstream.once(event, stop);
  try {
    // Left open when the loop ends early: what remains is read to its end, so that the client reads the answer.
    let pauseMs = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (pauseMs > 0) {
        await setTimeout(pauseMs);
        // Sockets are read between a timer and an immediate: what has arrived is known before the write.
        await setImmediate();
      }
      pauseMs = pauseMs === 0 ? FIRST_PAUSE_MS : BODY_PAUSE_MS;
      if (isAnswered() || upstream.destroyed) break;
      if (!upstream.write(chunk)) {
        await once(upstream, "drain", { signal: ended.signal }).catch(() => undefined);
      }
    }
    if (!isAnswered()) upstream.end();
  } catch {
    // The client has gone in the middle of its body.
    upstream.destroy();
  }
  request.resume();
}

/** Resolves when the worker has accepted or refused the upgrade; an accepted one lives on. */
export function forwardUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  target: URL,
): Promise<void> {
  return new Promise((resolve) => {
    const headers = requestHeaders(request, newRay());
    headers.push("connection", "Upgrade");
    const upstream = open(request, target, headers);
    socket.once("close", () => upstream.destroy());
    upstream.once("upgrade", (answer: IncomingMessage, peer: Duplex, peerHead: Buffer) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headerLines(answer.rawHeaders)}\r\n`);
      if (peerHead.length > 0) socket.write(peerHead);
      if (head.length > 0) peer.write(head);
      pipeline(socket, peer, () => undefined);
      pipeline(peer, socket, () => undefined);
      resolve();
    });
    upstream.once("response", (answer) => {
      const lines = headerLines(responseHeaders(answer, ""));
      socket.write(
        `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nconnection: close\r\n${lines}\r\n`,
      );
      pipeline(answer, socket, () => resolve());
    });
    upstream.once("error", () => {
      socket.destroy();
      resolve();
    });
    upstream.end();
  });
}

/** The platform's name for a request: 16 hex digits and the data centre. */
function newRay(): string {
  return `${randomBytes(8).toString("hex")}-LOC`;
}

function open(request: IncomingMessage, target: URL, headers: readonly string[]): ClientRequest {
  return openRequest({
    agent,
    host: target.hostname,
    port: target.port,
    method: request.method,
    path: request.url,
    headers,
    setDefaultHeaders: false,
  });
}

function requestHeaders(request: IncomingMessage, ray: string): string[] {
  const { rawHeaders } = request;
  const headers: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = rawHeaders.slice(i, i + 2);
    const lower = name.toLowerCase();
    if (CONNECTION_HEADERS.has(lower) || RESERVED_HEADER.test(lower)) continue;
    headers.push(name, value);
  }
  if (request.headers["transfer-encoding"] !== undefined) headers.push("transfer-encoding", "chunked");
  const peer = request.socket.remoteAddress ?? "127.0.0.1";
  if (request.headers["cf-connecting-ip"] === undefined) headers.push("cf-connecting-ip", peer);
  if (request.headers["x-forwarded-proto"] === undefined) headers.push("x-forwarded-proto", "http");
  headers.push("cf-ray", ray, "mf-cf-blob", CF);
  return headers;
}

function responseHeaders(answer: IncomingMessage, ray: string): string[] {
  const { rawHeaders } = answer;
  const headers: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = rawHeaders.slice(i, i + 2);
    if (!CONNECTION_HEADERS.has(name.toLowerCase())) headers.push(name, value);
  }
  if (ray !== "") headers.push("cf-ray", ray);
  return headers;
}

function headerLines(rawHeaders: readonly string[]): string {
  let lines = "";
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) lines += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return lines;
}
