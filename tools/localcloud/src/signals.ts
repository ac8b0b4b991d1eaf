/** Miniflare's own listeners, which end the process before anything in flight is answered. */
const MINIFLARE_LISTENERS: ReadonlySet<string> = new Set(["onSignalInt", "onSignalTerm", "onSignalHup"]);

function dropMiniflareListener(event: string | symbol, listener: () => void): void {
  if (MINIFLARE_LISTENERS.has(listener.name)) {
    // This runs before the listener is added.
    queueMicrotask(() => process.removeListener(event, listener));
  }
}

/**
 * Leaves it to the host program what SIGINT, SIGTERM and SIGHUP do while a
 * Miniflare instance lives in it. Call it before one is made.
 * @returns what undoes it.
 */
export function keepSignals(): () => void {
  process.on("newListener", dropMiniflareListener);
  return () => {
    process.removeListener("newListener", dropMiniflareListener);
  };
}
