import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { type Control, newHexId } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { requireScript } from "./publish.ts";
import { body } from "./request.ts";
import { filtersSchema, passes, type TailFilter } from "./tail-filters.ts";
import { acceptTraceSocket, CLOSE, refuseUpgrade, type TraceSocket } from "./trace-socket.ts";

const SOCKET_PATH = "/__local/tails";
const SOCKET = /^\/__local\/tails\/([0-9a-f]{48})$/;
/** As long as a tail may be connected to, in milliseconds. */
const LIFE_MS = 6 * 3600 * 1000;
/** Cloudflare's bound on the clients of a Worker's tail. */
const MAX_TAILS = 10;

const createSchema = z.object({ filters: filtersSchema.optional() });

interface Tail {
  readonly id: string;
  readonly scriptName: string;
  readonly filters: readonly TailFilter[];
  /** In the socket's address; whoever knows it may listen. */
  readonly secret: string;
  /** Milliseconds UTC. */
  readonly expires: number;
  readonly clients: Set<TraceSocket>;
}

/** Live logs of the scripts. Tails live in memory: with the process they are gone, as their sockets are. */
export class Tails {
  readonly #control: Control;
  readonly #tails = new Map<string, Tail>();

  constructor(control: Control) {
    this.#control = control;
  }

  create(scriptName: string, filters: readonly TailFilter[]): Tail {
    if (this.of(scriptName).length >= MAX_TAILS) {
      throw new ApiError(400, CODE.WORKER_INVALID, `Worker '${scriptName}' has ${MAX_TAILS} tails already.`);
    }
    const tail: Tail = {
      id: newHexId(),
      scriptName,
      filters,
      secret: randomBytes(24).toString("hex"),
      expires: this.#control.now() + LIFE_MS,
      clients: new Set(),
    };
    this.#tails.set(tail.id, tail);
    return tail;
  }

  /** The tails of a script that have not expired. */
  of(scriptName: string): readonly Tail[] {
    for (const tail of this.#tails.values()) {
      if (tail.expires <= this.#control.now()) this.delete(tail.id);
    }
    return [...this.#tails.values()].filter((tail) => tail.scriptName === scriptName);
  }

  /** Ends a tail and its connections. */
  delete(id: string): void {
    const tail = this.#tails.get(id);
    this.#tails.delete(id);
    for (const client of tail?.clients ?? []) client.close(CLOSE.NORMAL);
  }

  /**
   * Answers a request for a WebSocket: the tail's name in the address is the secret, so what asks need not
   * be checked further.
   */
  upgrade(request: IncomingMessage, socket: Duplex): void {
    const [, secret] = SOCKET.exec(request.url ?? "") ?? [];
    const named = [...this.#tails.values()].find((tail) => tail.secret === secret);
    const tail = named === undefined ? undefined : this.of(named.scriptName).find((live) => live === named);
    if (tail === undefined) return refuseUpgrade(socket, 404, "Not Found", "There is no such tail.");
    const client = acceptTraceSocket(request, socket);
    if (client === null) return;
    tail.clients.add(client);
    void client.closed.then(() => tail.clients.delete(client));
    this.#connect(tail, client).catch((error: unknown) => {
      this.#control.log(`tail of ${tail.scriptName}: ${String(error)}`);
      client.close(CLOSE.INTERNAL);
    });
  }

  /** Ends all connections, as a server does that stops. */
  close(): void {
    for (const { clients } of this.#tails.values()) {
      for (const client of clients) client.close(CLOSE.GOING_AWAY);
    }
  }

  /** Sends a client what passes the tail's filters, until it goes. */
  async #connect(tail: Tail, client: TraceSocket): Promise<void> {
    const stop = await this.#control.runtime.watch(tail.scriptName, (trace) => {
      if (passes(trace, tail.filters, Math.random, this.#control.host)) client.send(JSON.stringify(trace));
    });
    await client.closed;
    stop();
  }
}

function shown({ id, expires }: Tail): Record<string, unknown> {
  return { id, expires_at: timestamp(expires) };
}

/** `workers/scripts/{name}/tails`. */
export function tailRoutes(control: Control, tails: Tails): Hono {
  const app = new Hono();
  const ROUTE = "/workers/scripts/:script/tails";

  function address(c: Context, tail: Tail): string {
    const url = new URL(`${SOCKET_PATH}/${tail.secret}`, c.req.url);
    url.protocol = "ws:";
    return url.href;
  }

  app.get(ROUTE, (c) => {
    const { name } = requireScript(control, c.req.param("script"));
    return ok(c, tails.of(name).map(shown));
  });

  app.post(ROUTE, async (c) => {
    const { name } = requireScript(control, c.req.param("script"));
    const { filters } = await body(c, createSchema, CODE.WORKER_INVALID);
    const tail = tails.create(name, filters ?? []);
    return ok(c, { ...shown(tail), url: address(c, tail) });
  });

  app.delete(`${ROUTE}/:tail`, (c) => {
    const { name } = requireScript(control, c.req.param("script"));
    const id = c.req.param("tail");
    if (!tails.of(name).some((tail) => tail.id === id)) {
      throw new ApiError(404, CODE.WORKER_INVALID, `Worker '${name}' has no tail ${id}`);
    }
    tails.delete(id);
    return ok(c, null);
  });
  return app;
}
