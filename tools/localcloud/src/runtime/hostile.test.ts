import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkStartup } from "./startup-check.ts";
import { testRuntime, version, type TestRuntime } from "./test-scripts.ts";

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
