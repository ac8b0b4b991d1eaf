import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "./exit.ts";
import { releaseHub } from "./release.ts";
import { rollback } from "./rollback.ts";
import { failure, released } from "./test/released.ts";

describe("a rollback", () => {
  it("sends an open rollout to 0 % at once", async () => {
    const { cloud, v1 } = await released();
    await releaseHub(await cloud.context(), { phase: 2 });
    const report = await rollback(await cloud.context(), { reason: "operator" });
    expect(report.kind).toBe("lane");
    expect(cloud.rollout).toMatchObject({ status: "rolled-back", reason: "operator" });
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  it("leaves a rollout alone that is in another phase than asked for", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { phase: 2 });
    expect((await failure(rollback(await cloud.context(), { phase: 1 }))).exitCode).toBe(EXIT.failed);
    expect(cloud.rollout.status).toBe("active");
  });

  it("returns a promoted release to the last good version, and a second one finds nothing", async () => {
    const { cloud, v1 } = await released();
    await releaseHub(await cloud.context());
    const report = await rollback(await cloud.context());
    expect(report.kind).toBe("version");
    expect(cloud.serving("hub")?.tag).toBe(v1);
    const error = await failure(rollback(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("nothing to roll back to");
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  it("ends with code 6 when the former version cannot be deployed", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context());
    cloud.faults.push({
      call: "deploy hub",
      when: "before",
      error: () => new CliError(EXIT.failed, "no API"),
    });
    expect((await failure(rollback(await cloud.context()))).exitCode).toBe(EXIT.rollbackFailed);
  });

  it("returns the version even when the hub cannot say where its rollout stands", async () => {
    const { cloud, v1 } = await released();
    await releaseHub(await cloud.context());
    const context = await cloud.context();
    const fetch: typeof globalThis.fetch = async (input, init) =>
      String(input).includes("/admin/")
        ? new Response("broken", { status: 500 })
        : context.fetch(input, init);
    await rollback({ ...context, fetch });
    expect(cloud.serving("hub")?.tag).toBe(v1);
  });

  it("refuses the canary while it serves traffic", async () => {
    const { cloud } = await released();
    await releaseHub(await cloud.context(), { phase: 1 });
    expect((await failure(rollback(await cloud.context(), { target: "canary" }))).exitCode).toBe(EXIT.failed);
  });
});
