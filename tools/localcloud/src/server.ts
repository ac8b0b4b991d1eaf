import { createServer as createProbe } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";

/** An HTTP server that is listening. */
export interface Listening {
  readonly port: number;
  /** Stops accepting, waits for answers that are on their way, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Serves `app` on `host`; port 0 takes any free one. @throws when the port is taken. */
export function listen(app: Hono, host: string, port: number): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, (address) => {
      server.off("error", reject);
      resolve({ port: address.port, close: (graceMs) => close(server, graceMs) });
    });
    server.once("error", reject);
  });
}

function close(server: ServerType, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      if ("closeAllConnections" in server) {
        server.closeAllConnections();
      }
    }, graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    if ("closeIdleConnections" in server) {
      server.closeIdleConnections();
    }
  });
}

/** Whether nobody listens on the port now. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createProbe();
    probe.once("error", () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
