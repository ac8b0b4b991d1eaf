/** A hub that answers what a test says, over real HTTP, and remembers what it was asked. */
import http from "node:http";
import { onTestFinished } from "vitest";
import { createArchiveClient } from "../archive/client.ts";
import { createHubCall, type CallHub } from "../archive/hub-call.ts";
import type { Operator } from "../archive/operator.ts";
import { parseBody } from "../problem.ts";
import { FakeClock } from "./fake-clock.ts";

export interface HubRequest {
  /** `POST /admin/archive/verify` */
  readonly call: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly token: string;
}

export interface HubReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes as they are, anything else as JSON. */
  readonly body?: unknown;
}

/** `hang-up`: the connection is closed without an answer. */
export type Reply = HubReply | "hang-up" | ((request: HubRequest) => HubReply);

/** A refusal as the hub writes it. */
export function problem(status: number, kind: string, headers: Record<string, string> = {}): HubReply {
  return {
    status,
    headers: { ...headers, "content-type": "application/problem+json" },
    body: { type: `urn:strata:problem:${kind}`, title: `It is ${kind}`, status, detail: "Try later." },
  };
}

export const BUSY = problem(409, "archive-busy", { "retry-after": "7" });

export class FakeHub {
  readonly requests: HubRequest[] = [];
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  /** What people were told. */
  readonly told: string[] = [];
  readonly #replies = new Map<string, Reply[]>();
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  /** Stops when the present test is over. */
  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    await new Promise<void>((resolve) => {
      hub.#server.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(async () => {
      hub.#server.closeAllConnections();
      await new Promise((resolve) => {
        hub.#server.close(resolve);
      });
    });
    return hub;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the fake hub does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** @param replies in their order; the last one for ever */
  on(call: string, ...replies: readonly Reply[]): this {
    this.#replies.set(call, [...replies]);
    return this;
  }

  /** The bodies of the requests of one call. */
  bodies(call: string): readonly unknown[] {
    return this.requests.filter((request) => request.call === call).map(({ body }) => body);
  }

  call(tokens: readonly [string, ...string[]] = ["token"]): CallHub {
    const { url, clock, stop, told } = this;
    return createHubCall({
      url,
      secret: "ADMIN_TOKEN",
      tokens,
      clock,
      signal: stop.signal,
      fetch: globalThis.fetch,
      onWait: (why) => told.push(why),
    });
  }

  operator(): Operator {
    const { clock, stop, told } = this;
    return {
      archive: createArchiveClient(this.call()),
      clock,
      signal: stop.signal,
      tell: (line) => told.push(line),
    };
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const url = new URL(request.url ?? "/", this.url);
    const asked: HubRequest = {
      call: `${request.method ?? ""} ${url.pathname}`,
      query: url.searchParams,
      body: text === "" ? null : parseBody(text),
      token: (request.headers.authorization ?? "").replace("Bearer ", ""),
    };
    this.requests.push(asked);
    const replies = this.#replies.get(asked.call) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    if (reply === "hang-up") {
      request.socket.destroy();
      return;
    }
    const answer = typeof reply === "function" ? reply(asked) : (reply ?? problem(404, "not-found"));
    const { status = 200, headers = {}, body } = answer;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body instanceof Uint8Array ? body : JSON.stringify(body ?? {}));
  }
}
