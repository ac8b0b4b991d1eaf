import { createServer as createProbe } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import type { Hono } from "hono";
import type { Connections } from "./api/app.ts";
import { withFaults } from "./api/fault-effects.ts";

/** An HTTP server that is listening. */
export interface Listening {
  readonly port: number;
  /** Stops accepting, waits for answers that are on their way, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves `app` on `host`, with its faults and tails; port 0 takes any free one.
 * @throws when the port is taken.
 */
export function listen(
  app: Hono,
  { faults, tails }: Connections,
  host: string,
  port: number,
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const fetch = withFaults(app.fetch, faults);
    const server = serve({ fetch, hostname: host, port }, (address) => {
      server.off("error", reject);
      resolve({
        port: address.port,
        close: (graceMs) => {
          tails.close();
          return close(server, graceMs);
        },
      });
    });
    server.once("error", reject);
    server.on("upgrade", (request, socket) => tails.upgrade(request, socket));
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
