import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployedScript } from "../model.ts";
import { script, state, testRuntime, version, type TestRuntime } from "./test-scripts.ts";

/** Far more than the sockets between client and worker hold. */
const LARGE_BYTES = 24 * 1024 * 1024;

describe("a request's body", () => {
  let plane: TestRuntime;
  let deployed: DeployedScript;
  let url: string;

  beforeAll(async () => {
    plane = await testRuntime();
    const code = `export default { async fetch(request) {
      if (new URL(request.url).pathname === "/refuse") return new Response("too large", { status: 413 });
      let bytes = 0;
      for await (const chunk of request.body) bytes += chunk.length;
      return new Response(String(bytes));
    } };`;
    deployed = await script("bodies", version("bodies", code));
    await plane.runtime.apply(state([deployed]));
    url = `http://127.0.0.1:${deployed.port}`;
  });
  afterAll(() => plane[Symbol.asyncDispose]());

  it("reaches the worker whole", async () => {
    const answer = await fetch(url, { method: "POST", body: new Uint8Array(LARGE_BYTES) });
    expect(await answer.text()).toBe(String(LARGE_BYTES));
  });

  it.each([2, 8, 24])("of %d MiB may be refused unread, and the refusal arrives", async (mebibytes) => {
    for (let round = 0; round < 10; round++) {
      const answer = await fetch(`${url}/refuse`, {
        method: "POST",
        body: new Uint8Array(mebibytes * 1024 * 1024),
      });
      expect(answer.status).toBe(413);
      expect(await answer.text()).toBe("too large");
    }
  });

  it("of unknown length may be refused unread, too", async () => {
    let left = 100;
    const body = new ReadableStream({
      pull(controller) {
        left -= 1;
        if (left === 0) controller.close();
        else controller.enqueue(new Uint8Array(128 * 1024));
      },
    });
    const answer = await fetch(`${url}/refuse`, { method: "POST", body, duplex: "half" });
    expect(answer.status).toBe(413);
  });
});
