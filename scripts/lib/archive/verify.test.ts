import { describe, expect, it } from "vitest";
import { BUSY, FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { mendingHints, verifyArchive } from "./verify.ts";

const VERIFY = "POST /admin/archive/verify";
const page = (nextCursor: string | null, more: object = {}) => ({
  body: {
    files: 10,
    blocks: 40,
    records: 1_000,
    bytes: 65_536,
    faults: [],
    faultCount: 0,
    nextCursor,
    ...more,
  },
});
const fault = { check: "sync-marker", subject: "flights/2001/1-9.avro", detail: "block 3\u001b[2J" };

describe("a verification", () => {
  it("covers the archive page by page and adds the pages up", async () => {
    const hub = (await FakeHub.start()).on(VERIFY, page("a"), page("b"), page(null));
    expect(await verifyArchive(hub.operator(), "full")).toEqual({
      depth: "full",
      files: 30,
      blocks: 120,
      records: 3_000,
      bytes: 196_608,
      faults: [],
      faultCount: 0,
    });
    expect(hub.bodies(VERIFY)).toEqual([
      { depth: "full" },
      { depth: "full", cursor: "a" },
      { depth: "full", cursor: "b" },
    ]);
  });

  it("tells every fault when it is found, and how many were not listed", async () => {
    const hub = (await FakeHub.start()).on(
      VERIFY,
      page("a", { faults: [fault], faultCount: 1_200 }),
      page(null, { faults: [fault], faultCount: 1 }),
    );
    const { faultCount, faults } = await verifyArchive(hub.operator(), "index");
    expect([faultCount, faults.length]).toEqual([1_201, 2]);
    expect(hub.told.slice(0, 2)).toEqual([
      "  sync-marker  flights/2001/1-9.avro: block 3\\u001b[2J",
      "  and 1,199 more in these files",
    ]);
  });

  it("goes on with the page where the archive was busy or the hub unreachable", async () => {
    const away = problem(503, "archiver-unavailable", { "retry-after": "1" });
    const hub = (await FakeHub.start()).on(VERIFY, page("a"), BUSY, away, "hang-up", page(null));
    expect(await verifyArchive(hub.operator(), "full")).toMatchObject({ files: 20 });
    const again = { depth: "full", cursor: "a" };
    expect(hub.bodies(VERIFY).slice(1)).toEqual([again, again, again, again]);
  });

  it("fails in the middle when the hub does", async () => {
    const hub = (await FakeHub.start()).on(VERIFY, page("a"), problem(500, "internal-error"));
    expect((await failure(verifyArchive(hub.operator(), "full"))).message).toContain("answered 500");
  });

  it("does not go round in circles when a page leads back to itself", async () => {
    const hub = (await FakeHub.start()).on(VERIFY, page("a"));
    expect((await failure(verifyArchive(hub.operator(), "full"))).message).toContain("same cursor");
    expect(hub.requests).toHaveLength(2);
  });

  it("does not believe an answer in another shape", async () => {
    const hub = (await FakeHub.start()).on(VERIFY, { body: { files: "many" } });
    const error = await failure(verifyArchive(hub.operator(), "full"));
    expect(error.message).toContain("unknown shape");
    expect(error.hints.join()).toContain("files");
  });
});

describe("the way to mend a fault", () => {
  const hintOf = (...checks: readonly string[]): readonly string[] =>
    mendingHints(checks.map((check) => ({ check, subject: "flights/a.avro", detail: "" })));

  it.each([
    ["lost", "archive:retain"],
    ["lost-but-there", "archive:retain"],
    ["object-missing", "archive:retain"],
    ["unindexed-object", "archive:reindex -- --dry-run"],
    ["record-count", "archive:reindex -- --dry-run"],
    ["no-checksum", "archive:verify"],
    ["block", "archive:inspect"],
    ["checksum", "archive:inspect"],
    ["sync-marker", "archive:inspect"],
    ["header", "archive:inspect"],
  ])("%s is %s", (check, command) => {
    expect(hintOf(check)).toEqual([expect.stringContaining(command)]);
  });

  it("is said once for many faults, and not at all where no command helps", () => {
    expect(hintOf("block", "checksum", "lost", "block", "hot-and-cold")).toHaveLength(2);
    expect(hintOf("hot-and-cold", "toString", "a check of tomorrow")).toEqual([]);
  });
});
