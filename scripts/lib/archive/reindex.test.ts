import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "../exit.ts";
import { FakeHub, problem, type HubRequest } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { reindexArchive } from "./reindex.ts";

const REINDEX = "POST /admin/archive/reindex";
const scan = (nextCursor: string | null, faults: readonly unknown[] = []) => ({
  body: { step: "scan", objects: 3, faults, nextCursor },
});
const applyWith =
  (more: object) =>
  ({ body }: HubRequest) => ({
    body: {
      step: "apply",
      applied: typeof body === "object" && body !== null && Reflect.get(body, "dryRun") === false,
      files: 5,
      blocks: 20,
      records: 4_000,
      now: { files: 4, blocks: 18, records: 3_900 },
      lost: { files: 1, records: 1_440 },
      superseded: ["flights/old.avro"],
      conflicts: [],
      ...more,
    },
  });
const apply = applyWith({});
const fewer = applyWith({ now: { files: 6, blocks: 30, records: 5_288 } });
const conflict = { check: "overlap", subject: "flights/2.avro", detail: "it holds rows of other files" };
const APPLIED = { step: "apply", dryRun: false };
const yes = (): Promise<void> => Promise.resolve();

describe("a reindexing", () => {
  it("scans every object, shows the new index, and replaces the old one", async () => {
    const hub = (await FakeHub.start()).on(REINDEX, scan("a"), scan(null), apply);
    const asked: string[] = [];
    const confirm = async (what: string): Promise<void> => void asked.push(what);
    expect(await reindexArchive(hub.operator(), { dryRun: false, yes: false, confirm })).toMatchObject({
      objects: 6,
      applied: true,
      files: 5,
      records: 4_000,
    });
    expect(hub.bodies(REINDEX)).toEqual([
      { step: "scan" },
      { step: "scan", cursor: "a" },
      { step: "apply", dryRun: true },
      { step: "apply", dryRun: false },
    ]);
    expect(asked).toEqual(["replace the archive's index by one of 5 files and 4,000 records"]);
    expect(hub.told).toContain("now: 4 files, 3,900 records → new: 5 files, 4,000 records (+100)");
    expect(hub.told).toContain("1 file stays lost (1,440 records)");
    expect(hub.told).toContain("  superseded  flights/old.avro: its records are elsewhere, or still hot");
  });

  it("changes nothing in a dry run, and asks nothing", async () => {
    const hub = (await FakeHub.start()).on(REINDEX, scan(null), apply);
    const confirm = () => Promise.reject(new Error("asked"));
    expect(await reindexArchive(hub.operator(), { dryRun: true, yes: false, confirm })).toMatchObject({
      applied: false,
    });
    expect(hub.bodies(REINDEX)).not.toContainEqual({ step: "apply", dryRun: false });
  });

  it("says before it is confirmed what will be left out", async () => {
    const fault = { check: "header", subject: "flights/broken.avro", detail: "not an Avro file" };
    const hub = (await FakeHub.start()).on(REINDEX, scan(null, [fault]), apply);
    const confirm = (what: string) => Promise.reject(new CliError(EXIT.cancelled, what));
    const error = await failure(reindexArchive(hub.operator(), { dryRun: false, yes: false, confirm }));
    expect(error.message).toContain("without 1 objects that are damaged");
    expect(hub.told.join("\n")).toContain("flights/broken.avro");
    expect(hub.bodies(REINDEX)).not.toContainEqual({ step: "apply", dryRun: false });
  });

  it("replaces nothing when a scan fails in the middle", async () => {
    const hub = (await FakeHub.start()).on(REINDEX, scan("a"), problem(500, "internal-error"));
    await failure(reindexArchive(hub.operator(), { dryRun: false, yes: false, confirm: yes }));
    expect(hub.bodies(REINDEX)).toHaveLength(2);
  });

  it.each([
    ["records would go missing", fewer, "1,288 records fewer"],
    ["files are in conflict", applyWith({ conflicts: [conflict] }), "1 file left out as conflicts"],
  ])("stops before it replaces anything when %s, and asks nothing", async (_, reply, said) => {
    const hub = (await FakeHub.start()).on(REINDEX, scan(null), reply);
    const confirm = () => Promise.reject(new Error("asked"));
    const error = await failure(reindexArchive(hub.operator(), { dryRun: false, yes: false, confirm }));
    expect([error.exitCode, error.message]).toEqual([EXIT.failed, expect.stringContaining(said)]);
    expect(error.hints.join()).toContain("--yes");
    expect(hub.bodies(REINDEX)).not.toContainEqual(APPLIED);
  });

  it("goes on with --yes although records go missing, and says how many", async () => {
    const hub = (await FakeHub.start()).on(REINDEX, scan(null), fewer);
    await reindexArchive(hub.operator(), { dryRun: false, yes: true, confirm: yes });
    expect(hub.told).toContain("now: 6 files, 5,288 records → new: 5 files, 4,000 records (−1,288)");
    expect(hub.bodies(REINDEX)).toContainEqual(APPLIED);
  });

  it("says in a dry run that it would stop", async () => {
    const hub = (await FakeHub.start()).on(REINDEX, scan(null), fewer);
    await reindexArchive(hub.operator(), { dryRun: true, yes: false, confirm: yes });
    expect(hub.told).toContain("Without --yes the index would not be replaced: 1,288 records fewer");
  });
});
