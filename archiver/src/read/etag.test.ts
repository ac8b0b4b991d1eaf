import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { DAY, EPOCH, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket } from "../../test/faults.ts";
import { halfArchived, minutes, pageOf } from "../../test/reads.ts";
import { compact } from "../compaction/index.ts";
import type { ReadRequest } from "../contract.ts";
import type { ReadBounds } from "./index.ts";
import { namesTag } from "./etag.ts";

useStorage();

async function tagOf(
  archiver: TestArchiver,
  request: Partial<ReadRequest> = {},
  bounds: Partial<ReadBounds> = {},
): Promise<string> {
  const page = pageOf(await archiver.readStream(request, bounds));
  await page.body.cancel();
  if (page.etag === null) throw new Error("the page has no tag");
  return page.etag;
}

describe("the tag of a page", () => {
  it("stays the same while the page does, and then the page is not sent again nor fetched", async () => {
    const archiver = await halfArchived();
    const etag = await tagOf(archiver);
    expect(await tagOf(archiver)).toBe(etag);
    const untouched = gatedBucket(() => Promise.reject(new Error("the bucket was asked")));
    const reader = new TestArchiver({ bucket: untouched });
    for (const ifNoneMatch of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      expect(await reader.readStream({ ifNoneMatch })).toEqual({ ok: true, modified: false, etag });
    }
    expect(pageOf(await archiver.readStream({ ifNoneMatch: '"x"' }))).toMatchObject({ etag });
  });

  it("differs with everything that the page's bytes may differ with", async () => {
    const archiver = await halfArchived();
    const page = pageOf(await archiver.readStream({ limit: 5 }));
    const cursor = page.nextCursor ?? "";
    const tags = [
      await tagOf(archiver),
      await tagOf(archiver, { datasetId: "SFO" }),
      await tagOf(archiver, { table: "earthquakes" }),
      await tagOf(archiver, { from: EPOCH }),
      await tagOf(archiver, { to: EPOCH + DAY }),
      await tagOf(archiver, { limit: 5 }),
      await tagOf(archiver, { limit: 5, from: EPOCH }),
      await tagOf(archiver, { limit: 5, cursor }),
      await tagOf(archiver, { format: "ndjson" }),
      await tagOf(archiver, { format: "ocf" }),
      await tagOf(archiver, {}, { pageBytes: 100 }),
      await tagOf(archiver, {}, { hotRows: 1 }),
    ];
    await archiver.store([flight(100)]);
    tags.push(await tagOf(archiver));
    await archiver.archive();
    tags.push(await tagOf(archiver));
    await compact(archiver.bindings, { force: true });
    tags.push(await tagOf(archiver));
    await env.DB.prepare("UPDATE archived_files SET state = 'lost'").run();
    tags.push(await tagOf(archiver));
    expect(new Set(tags).size).toBe(tags.length);
  });

  it("is the same for a page of the past when later records come", async () => {
    const archiver = await halfArchived();
    const etag = await tagOf(archiver, { limit: 10 });
    await archiver.store([flight(2_000), flight(2_001)]);
    expect(await tagOf(archiver, { limit: 10 })).toBe(etag);
    await archiver.store([flight(2, { delay: 99 })]);
    expect(await tagOf(archiver, { limit: 10 })).not.toBe(etag);
  });

  it("is none where a block was found lost on the way, and another one after that", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const archiver = new TestArchiver();
    await archiver.store([...minutes(3), flight(1_440)]);
    await archiver.archive();
    const before = await tagOf(archiver);
    await env.COLD.delete((await env.COLD.list()).objects.slice(0, 1).map(({ key }) => key));
    expect(await archiver.readStream({ ifNoneMatch: before })).toMatchObject({ modified: false });
    expect(pageOf(await archiver.readStream())).toMatchObject({ etag: null, lostBlocks: 1 });
    expect(await tagOf(archiver)).not.toBe(before);
    vi.restoreAllMocks();
  });
});

describe("If-None-Match", () => {
  const TAG = '"abc_-1"';

  it.each([
    ["the tag", '"abc_-1"'],
    ["the tag as a weak one", 'W/"abc_-1"'],
    ["a list with the tag", '"x", W/"y,z" , "abc_-1"'],
    ["a list without blanks", '"x","abc_-1"'],
    ["anything", "*"],
    ["anything, with blanks", " * "],
  ])("names it as %s", (_, header) => {
    expect(namesTag(header, TAG)).toBe(true);
  });

  it.each([
    ["nothing", undefined],
    ["an empty list", ""],
    ["another tag", '"abc_-2"'],
    ["a tag that begins so", '"abc_-11"'],
    ["a tag that ends so", '"1abc_-1"'],
    ["a tag without quotes", "abc_-1"],
    ["a tag of another case", '"ABC_-1"'],
    ["a star in a list", '"x", *'],
  ])("does not name it as %s", (_, header) => {
    expect(namesTag(header, TAG)).toBe(false);
  });
});
