/**
 * The local cloud's own worker: the way from Node into workerd (stores, queue
 * batches, scheduled events, traffic shares), and from workerd to Node (messages
 * sent to queues, logs).
 */
import { WorkerEntrypoint } from "cloudflare:workers";

interface Fetcher {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** A worker as a service binding sees it, under `service_binding_extra_handlers`. */
interface EventTarget {
  queue(queueName: string, messages: readonly unknown[], metadata: unknown): Promise<unknown>;
  scheduled(event: { cron: string; scheduledTime: Date }): Promise<unknown>;
  setShares(shares: unknown): Promise<void>;
}

interface Env {
  readonly NODE: Fetcher;
  readonly KV: Fetcher;
  readonly D1: Fetcher;
  readonly R2: Fetcher;
  readonly [worker: `worker:${string}`]: EventTarget | undefined;
}

interface WireMessage {
  readonly id: string;
  readonly timestamp: number;
  readonly attempts: number;
  readonly contentType: "json" | "text" | "bytes" | "v8";
  /** Base64. */
  readonly body: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const [, area = "", target = "", ...rest] = pathname.split("/");
    const name = decodeURIComponent(target);
    switch (area) {
      case "KV":
      case "D1":
      case "R2":
        return openStore(env[area], name, `${rest.join("/")}${search}`, request);
      case "queue":
        return Response.json(await deliver(worker(env, name), (await request.json()) as QueueBatch));
      case "scheduled":
        return Response.json(await fire(worker(env, name), (await request.json()) as ScheduledEvent));
      case "shares":
        await worker(env, name).setShares(await request.json());
        return new Response(null, { status: 204 });
      case "watched":
        watched = new Set((await request.json()) as string[]);
        return new Response(null, { status: 204 });
      default:
        return new Response(`unknown path ${pathname}`, { status: 404 });
    }
  },
};

interface QueueBatch {
  readonly queue: string;
  readonly messages: readonly WireMessage[];
  /** `oldest` in ms UTC. */
  readonly backlog: { readonly count: number; readonly bytes: number; readonly oldest: number };
}

interface ScheduledEvent {
  readonly cron: string;
  readonly scheduledTime: number;
}

function worker(env: Env, name: string): EventTarget {
  const target = env[`worker:${name}`];
  if (target === undefined) throw new Error(`no worker ${name}`);
  return target;
}

/** Miniflare's simulators take the id of the store from this header when a binding names none. */
function openStore(store: Fetcher, id: string, path: string, request: Request): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("MF-Namespace", id);
  return store.fetch(`http://store/${path}`, { method: request.method, headers, body: request.body });
}

function deliver(target: EventTarget, batch: QueueBatch): Promise<unknown> {
  const messages = batch.messages.map(({ id, timestamp, attempts, contentType, body }) => {
    const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
    const envelope = { id, timestamp: new Date(timestamp), attempts };
    switch (contentType) {
      case "json":
        return { ...envelope, body: JSON.parse(new TextDecoder().decode(bytes)) as unknown };
      case "text":
        return { ...envelope, body: new TextDecoder().decode(bytes) };
      case "bytes":
        return { ...envelope, body: bytes.buffer };
      case "v8":
        return { ...envelope, serializedBody: bytes };
    }
  });
  const { count, bytes, oldest } = batch.backlog;
  const metrics = { backlogCount: count, backlogBytes: bytes, oldestMessageTimestamp: new Date(oldest) };
  return target.queue(batch.queue, messages, { metrics });
}

function fire(target: EventTarget, event: ScheduledEvent): Promise<unknown> {
  return target.scheduled({ cron: event.cron, scheduledTime: new Date(event.scheduledTime) });
}

/** Where a queue binding leads: it passes the platform's send requests on to the broker. */
export class QueueProducer extends WorkerEntrypoint<Env, { readonly queueName: string }> {
  fetch(request: Request): Promise<Response> {
    const path = `queue/${encodeURIComponent(this.ctx.props.queueName)}${new URL(request.url).pathname}`;
    return this.env.NODE.fetch(`http://node/${path}`, {
      method: request.method,
      headers: request.headers,
      body: request.body,
    });
  }
}

/** The scripts that somebody watches; Node says which, anew after each start. */
let watched: ReadonlySet<string> = new Set();

interface TraceItem {
  readonly outcome: string;
  readonly entrypoint?: string;
  readonly event: object | null;
  readonly eventTimestamp: number | null;
  readonly logs: readonly unknown[];
  readonly exceptions: readonly unknown[];
  readonly diagnosticsChannelEvents: readonly unknown[];
  readonly executionModel: string;
  readonly durableObjectId?: string;
  readonly truncated: boolean;
  readonly cpuTime: number;
  readonly wallTime: number;
}

/** Every deployed worker's tail: passes what was logged or thrown on to Node, and of a watched script all. */
export class LogTail extends WorkerEntrypoint<
  Env,
  { readonly scriptName: string; readonly versionId: string }
> {
  async tail(items: readonly TraceItem[]): Promise<void> {
    const { scriptName, versionId } = this.ctx.props;
    const all = watched.has(scriptName);
    const told = items.filter(({ logs, exceptions }) => all || logs.length > 0 || exceptions.length > 0);
    if (told.length === 0) return;
    const path = `tail/${encodeURIComponent(scriptName)}/${encodeURIComponent(versionId)}`;
    await this.env.NODE.fetch(`http://node/${path}`, {
      method: "POST",
      body: JSON.stringify(told.map(plain)),
    });
  }
}

/** An item as plain data: its properties are the platform's accessors. */
function plain(item: TraceItem): unknown {
  return {
    wallTime: item.wallTime,
    cpuTime: item.cpuTime,
    truncated: item.truncated,
    executionModel: item.executionModel,
    outcome: item.outcome,
    entrypoint: item.entrypoint,
    durableObjectId: item.durableObjectId,
    diagnosticsChannelEvents: item.diagnosticsChannelEvents,
    exceptions: item.exceptions,
    logs: item.logs,
    eventTimestamp: item.eventTimestamp,
    event: item.event,
  };
}
