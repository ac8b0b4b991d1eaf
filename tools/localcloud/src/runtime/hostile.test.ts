import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkStartup } from "./startup-check.ts";
import {
  answering,
  bound,
  read,
  script,
  state,
  testRuntime,
  version,
  visit,
  type TestRuntime,
} from "./test-scripts.ts";

let plane: TestRuntime;
beforeAll(async () => {
  plane = await testRuntime();
});
afterAll(() => plane[Symbol.asyncDispose]());

describe("a bucket", () => {
  it("finds objects whose keys are not ASCII", async () => {
    const bucket = plane.runtime.r2("keys");
    await bucket.put("日本語 é", new TextEncoder().encode("body").buffer, {});
    expect((await bucket.get("日本語 é"))?.size).toBe(4);
    expect((await bucket.list({ prefix: "日" })).objects.map(({ key }) => key)).toEqual(["日本語 é"]);
  });

  it("refuses a key that is too long in the platform's sentence", async () => {
    await expect(plane.runtime.r2("keys").get("k".repeat(1025))).rejects.toMatchObject({
      name: "StoreRefusal",
      message: "The specified object name is not valid.",
    });
  });
});

describe("a namespace", () => {
  it("refuses an expiry in the past and metadata that is too long", async () => {
    const kv = plane.runtime.kv("refusing");
    await expect(kv.put("k", "v", { expiration: 1000 })).rejects.toMatchObject({ name: "StoreRefusal" });
    const metadata = "x".repeat(2000);
    await expect(kv.put("k", "v", { metadata })).rejects.toMatchObject({ name: "StoreRefusal" });
  });
});

describe("a version that spins while it starts", () => {
  it("is refused after a while", async () => {
    expect(await checkStartup(version("hub", "for (;;) {}"), 1500)).toEqual({
      message: "Script startup exceeded the time limit of 1.5 s.",
    });
  }, 15_000);
});

describe("a Worker that spins in a handler", () => {
  it("does not keep a split from being changed", async () => {
    const spinning = version(
      "hub",
      `export default { fetch(request) {
        if (request.url.endsWith("/spin")) for (;;) {}
        return new Response("old");
      } };`,
    );
    const fresh = answering("hub", "new");
    const caller = await script(
      "caller",
      bound(
        "caller",
        [{ type: "service", name: "HUB", service: "hub" }],
        "export default { fetch: (request, env) => env.HUB.fetch(request) };",
      ),
    );
    const split = async (old: number) => {
      const shares = [
        [spinning, old],
        [fresh, 100 - old],
      ] as const;
      return state([await script("hub", shares), caller]);
    };
    await using other = await testRuntime({ drainMs: 500 });
    await other.runtime.apply(await split(100));
    const gaveUp = visit(caller, "/spin", { signal: AbortSignal.timeout(300) });
    await expect(gaveUp).rejects.toThrow("timeout");
    await other.runtime.apply(await split(0));
    expect(await read(caller)).toBe("new");
    expect(other.lines.join("\n")).toContain("hub: workerd does not answer and is started again");
  }, 30_000);
});
