import { describe, expect, it } from "vitest";
import { EXIT } from "../exit.ts";
import { placeholderIds } from "../render.ts";
import { FakeCloud, source } from "../test/fake-cloud.ts";
import { failure, OPTIONS } from "../test/released.ts";
import { release } from "./release.ts";
import { rollback } from "./rollback.ts";

const EXPAND = "ALTER TABLE a ADD COLUMN c TEXT;";
const CONTRACT = "ALTER TABLE a DROP COLUMN b;";

/** An archiver from before there was a table, a hub from after it, new code, and a migration that waits. */
async function migrating(sql: string): Promise<FakeCloud> {
  const cloud = new FakeCloud();
  await cloud.migration("hub", "0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT);");
  await release(await cloud.context(), "all", OPTIONS);
  // SQLite dates what it applies by the machine's own clock.
  cloud.databases
    .of(placeholderIds().d1.hub)
    .execute("UPDATE d1_migrations SET applied_at = '2020-11-22 00:00:01'");
  cloud.clock.pass(60_000);
  cloud.sources.hub = source("hub 2");
  await release(await cloud.context(), "hub", { ...OPTIONS, direct: true });
  await cloud.migration("hub", "0002_b.sql", sql);
  cloud.sources.hub = source("hub 3");
  cloud.calls.length = 0;
  return cloud;
}

describe("a release with a migration", () => {
  it("applies it first, then asks the present version for what it answered before", async () => {
    const cloud = await migrating(EXPAND);
    const context = await cloud.context();
    const report = await release(context, "hub", OPTIONS);
    expect(cloud.calls.slice(0, 3)).toEqual([
      `migrate ${cloud.topology.d1.hub.name}`,
      "upload hub-canary",
      "start",
    ]);
    expect(report.migrations.hub?.files).toEqual(["0002_b.sql"]);
    expect(cloud.rollouts.state.rollback).toEqual({ safe: true, newerSchema: true });
    const asked = context.run.points.filter(({ call }) => call === "ask /tables stable");
    // Before the migration, after it, and beside the canary.
    expect(asked).toHaveLength(3);
  });

  it("uploads nothing when the present version does not work on the new schema", async () => {
    const cloud = await migrating(EXPAND);
    const context = await cloud.context();
    const fetch: typeof globalThis.fetch = async (input, init) =>
      cloud.calls.length > 0 && String(input).endsWith("/tables")
        ? Response.json({ path: "/tables" })
        : context.fetch(input, init);
    const error = await failure(release({ ...context, fetch }, "hub", OPTIONS));
    expect(error.message).toContain("The present version on the new schema: GET /tables: items is missing");
    expect(cloud.calls.filter((call) => !call.startsWith("migrate"))).toEqual([]);
  });

  it("alone is applied without a release", async () => {
    const cloud = await migrating(EXPAND);
    cloud.sources.hub = source("hub 2");
    const report = await release(await cloud.context(), "hub", OPTIONS);
    expect(report.outcome).toBe("unchanged");
    expect(cloud.calls).toEqual([`migrate ${cloud.topology.d1.hub.name}`]);
  });
});

describe("a release with a migration that the former version may not survive", () => {
  const options = { ...OPTIONS, allowContract: true };

  it("is refused unless that is accepted, before anything is applied", async () => {
    const cloud = await migrating(CONTRACT);
    const error = await failure(release(await cloud.context(), "hub", OPTIONS));
    expect(error.exitCode).toBe(EXIT.failed);
    expect(error.message).toContain("0002_b.sql");
    expect(cloud.calls).toEqual([]);
  });

  it("is frozen instead of taken back, and says why", async () => {
    const cloud = await migrating(CONTRACT);
    cloud.rollouts.judge = () => "fail";
    const error = await failure(release(await cloud.context(), "hub", options));
    expect(error.exitCode).toBe(EXIT.frozen);
    expect(error.message).toContain("0002_b.sql");
    expect(cloud.rollouts.state).toMatchObject({ status: "frozen", phase: 1 });
  });

  it("is not returned after its promotion, unless by force", async () => {
    const cloud = await migrating(CONTRACT);
    const before = cloud.tags.hub;
    await release(await cloud.context(), "hub", options);
    cloud.calls.length = 0;
    const error = await failure(rollback(await cloud.context()));
    expect(error.exitCode).toBe(EXIT.frozen);
    expect(error.message).toContain("0002_b.sql");
    expect(cloud.calls).toEqual([]);
    await rollback(await cloud.context(), { force: true });
    expect(cloud.tags.hub).toBe(before);
  });
});
