/** A script's public address: an HTTP server that passes each request on to a version in workerd. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { DeployedScript } from "../model.ts";
import type { Gate } from "./gate.ts";
import { pickVersion, VERSION_KEY_HEADER, VERSION_OVERRIDES_HEADER, type Share } from "./picker.ts";
import { sharesOf } from "./placement.ts";
import { forward, forwardUpgrade } from "./proxy.ts";

export interface FrontOptions {
  readonly host: string;
  readonly gate: Gate;
  /** Where the worker of a version listens. */
  readonly locate: (scriptName: string, versionId: string) => URL;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** What a front needs to know of its script; it changes with each deployment. */
interface Route {
  readonly name: string;
  readonly public: boolean;
  readonly shares: readonly Share[];
}

/** The listeners of all scripts. */
export class Fronts {
  readonly #options: FrontOptions;
  readonly #fronts = new Map<string, Front>();

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  /** Opens, moves and closes listeners as the scripts say, and has them use the current shares. */
  async apply(scripts: readonly DeployedScript[]): Promise<void> {
    this.route(scripts);
    const wanted = new Map(scripts.map((script) => [script.name, script]));
    for (const [name, front] of this.#fronts) {
      if (wanted.get(name)?.port === front.port) continue;
      this.#fronts.delete(name);
      await front.close();
    }
    for (const script of scripts) {
      if (this.#fronts.has(script.name)) continue;
      const front = new Front(script.port, routeOf(script), this.#options);
      await front.listen();
      this.#fronts.set(script.name, front);
    }
  }

  /** Has open listeners use the scripts' current shares. */
  route(scripts: readonly DeployedScript[]): void {
    for (const [name, front] of this.#fronts) {
      const script = scripts.find((known) => known.name === name);
      front.route = script === undefined ? { name, public: true, shares: [] } : routeOf(script);
    }
  }

  async close(): Promise<void> {
    const fronts = [...this.#fronts.values()];
    this.#fronts.clear();
    await Promise.all(fronts.map((front) => front.close()));
  }
}

function routeOf(script: DeployedScript): Route {
  return { name: script.name, public: script.public, shares: sharesOf(script) };
}

class Front {
  route: Route;
  readonly port: number;
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #upgraded = new Set<Duplex>();

  constructor(port: number, route: Route, options: FrontOptions) {
    this.port = port;
    this.route = route;
    this.#options = options;
    this.#server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 });
    this.#server.on("request", (request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.port, this.#options.host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  /** Ends open connections; the requests under way have been drained before. */
  close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 1000).unref();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { gate } = this.#options;
    const held = gate.enter(isNested(request));
    if (held !== undefined) await held;
    try {
      if (response.destroyed) return;
      const target = this.#target(request);
      if (target === undefined) refuse(this.route, response);
      else await forward(request, response, target);
    } catch (error) {
      this.#options.log(`${this.route.name}: ${request.method} ${request.url}: ${String(error)}`);
      if (response.headersSent) response.destroy();
      else answerText(response, 502, "The local cloud could not reach the worker.");
    } finally {
      gate.leave();
    }
  }

  /** An upgraded connection does not hold up a swap; it ends with the worker that it leads to. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    this.#upgraded.add(socket.on("close", () => this.#upgraded.delete(socket)));
    try {
      await this.#options.gate.through(async () => {
        const target = this.#target(request);
        if (target === undefined) socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        else await forwardUpgrade(request, socket, head, target);
      });
    } catch (error) {
      this.#options.log(`${this.route.name}: upgrade of ${request.url}: ${String(error)}`);
      socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    }
  }

  #target(request: IncomingMessage): URL | undefined {
    const { name, shares } = this.route;
    if (!this.route.public) return undefined;
    const hints = {
      key: header(request, VERSION_KEY_HEADER),
      overrides: header(request, VERSION_OVERRIDES_HEADER),
    };
    const versionId = pickVersion(name, shares, hints, this.#options.random);
    return versionId === undefined ? undefined : this.#options.locate(name, versionId);
  }
}

/** workerd marks what a worker fetches; its caller is under way itself. */
function isNested(request: IncomingMessage): boolean {
  return request.headers["cf-worker"] !== undefined;
}

function header(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return value === undefined ? null : String(value);
}

function refuse(route: Route, response: ServerResponse): void {
  const reason = route.public
    ? `Script "${route.name}" has no deployed version.`
    : `Script "${route.name}" has no public address: its workers.dev route is disabled.`;
  answerText(response, 404, reason);
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}
