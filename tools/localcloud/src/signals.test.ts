import { describe, expect, it } from "vitest";
import { keepSignals } from "./signals.ts";

describe("signals", () => {
  it("stay the host program's: Miniflare's listeners go, others stay", async () => {
    const release = keepSignals();
    const host = () => undefined;
    function onSignalInt() {}
    process.on("SIGINT", onSignalInt);
    process.on("SIGINT", host);
    await Promise.resolve();
    expect(process.listeners("SIGINT")).not.toContain(onSignalInt);
    expect(process.listeners("SIGINT")).toContain(host);
    process.off("SIGINT", host);
    release();
  });
});
