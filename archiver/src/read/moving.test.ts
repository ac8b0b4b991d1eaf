/** Reads while the archive changes under them: each record is seen once, wherever it is at the moment. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EPOCH, flight, TestArchiver, type TestRecord, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate } from "../../test/faults.ts";
import { emptyTables, halfArchived, minutes, recordsOf } from "../../test/reads.ts";
import { compact } from "../compaction/index.ts";
import { erase } from "../erasure/index.ts";

useStorage();

const HOUR = minutes(60);

/** Merges whatever can be merged, and removes the objects that were merged at once: no grace. */
async function compactAndClear(archiver: TestArchiver): Promise<void> {
  await compact(archiver.bindings, { force: true });
  const { results } = await env.DB.prepare(
    "DELETE FROM archived_files WHERE state = 'compacted' RETURNING file_path",
  ).all<{ file_path: string }>();
  await env.COLD.delete(results.map(({ file_path }) => file_path));
}

async function eraseAll(archiver: TestArchiver): Promise<void> {
  const result = await erase(archiver.bindings, { datasetId: "LAS" });
  expect(result).toMatchObject({ ok: true, receipt: { state: "done" } });
}

/** An hour in three files of one block each, and in hot rows. */
async function spread(): Promise<TestArchiver> {
  const archiver = new TestArchiver();
  for (let part = 0; part < 4; part += 1) {
    await archiver.store(HOUR.filter((_, n) => n % 4 === part));
    if (part < 3) await archiver.archive();
  }
  return archiver;
}

/**
 * Does something before each operation of a read in turn, until the read has no such operation.
 * @returns how many there were
 */
async function interruptRead(
  begin: () => Promise<TestArchiver>,
  interrupt: (archiver: TestArchiver) => Promise<void>,
  read: (reader: TestArchiver) => Promise<void>,
): Promise<number> {
  for (let at = 0; ; at += 1) {
    await emptyTables();
    const archiver = await begin();
    let interrupted = false;
    const { gate } = interruptingGate(at, async () => {
      interrupted = true;
      await interrupt(archiver);
    });
    await read(new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) }));
    if (!interrupted) return at;
  }
}

describe("a read", () => {
  it("sees each record once at every moment of an archive run", async () => {
    for (let at = 0; ; at += 1) {
      await emptyTables();
      await halfArchived();
      let found: readonly TestRecord[] | undefined;
      const { gate } = interruptingGate(at, async () => {
        found = await new TestArchiver().readAll({ limit: 25 });
      });
      await new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) }).archive();
      if (found === undefined) break;
      expect(found).toEqual(HOUR);
    }
  });

  it("sees each record once, whatever moment of its pages an archive run commits at", async () => {
    const operations = await interruptRead(
      halfArchived,
      async (archiver) => {
        await archiver.archive();
      },
      async (reader) => expect(await reader.readAll({ limit: 25 })).toEqual(HOUR),
    );
    expect(operations).toBeGreaterThan(5);
  });

  it("begins anew when hot rows that it has listed turn cold before it loads them", async () => {
    const operations = await interruptRead(
      async () => {
        const archiver = new TestArchiver();
        for (let part = 0; part < 4; part += 1) await archiver.store(HOUR.filter((_, n) => n % 4 === part));
        return archiver;
      },
      async (archiver) => {
        await archiver.archive();
      },
      async (reader) => expect(await reader.readAll({}, { hotPortion: 1 })).toEqual(HOUR),
    );
    expect(operations).toBeGreaterThan(3);
  });

  it("begins anew when files that it has listed were merged and their objects are gone", async () => {
    const operations = await interruptRead(spread, compactAndClear, async (reader) => {
      const page = await reader.read();
      expect(page).toMatchObject({ lostBlocks: 0, etag: expect.any(String) });
      expect(recordsOf(page)).toEqual(HOUR);
    });
    expect(operations).toBeGreaterThan(3);
    expect(await env.DB.prepare("SELECT 1 FROM archived_files WHERE state = 'lost'").first()).toBeNull();
  });

  it("finds everything or nothing, and never fails, when its dataset is erased under it", async () => {
    const operations = await interruptRead(spread, eraseAll, async (reader) => {
      const page = await reader.read({}, { hotPortion: 1 });
      expect(page).toMatchObject({ lostBlocks: 0 });
      const found = [recordsOf(page).length, recordsOf(await reader.read()).length];
      expect([
        [0, 0],
        [60, 0],
        [60, 60],
      ]).toContainEqual(found);
    });
    expect(operations).toBeGreaterThan(3);
  });
});

describe("a cursor", () => {
  const instants = Array.from({ length: 60 }, (_, n) => flight(n % 3, { delay: n % 7 }));

  it(
    "goes on where it was after the records were archived, merged or both",
    { timeout: 30_000 },
    async () => {
      const change = fc.constantFrom("none", "archive", "compact", "both");
      await fc.assert(
        fc.asyncProperty(
          fc.shuffledSubarray(instants, { minLength: 30 }),
          fc.integer({ min: 1, max: 9 }),
          fc.infiniteStream(change),
          async (records, limit, changes) => {
            await emptyTables();
            const archiver = new TestArchiver({ settings: { blockBytes: 40 } });
            for (let n = 0; n < records.length; n += 7) {
              await archiver.store(records.slice(n, n + 7));
              if (n % 3 === 0) await archiver.archive();
            }
            const expected = await archiver.readAll();
            expect(expected).toHaveLength(records.length);
            const found = await archiver.readAll({ limit }, {}, async () => {
              const next: string = changes.next().value;
              if (next === "archive" || next === "both") await archiver.archive();
              if (next === "compact" || next === "both") await compactAndClear(archiver);
            });
            expect(found).toEqual(expected);
          },
        ),
        { numRuns: 6 },
      );
    },
  );

  it("finds nothing more after its dataset was erased, and what came since", async () => {
    const archiver = await spread();
    const page = await archiver.read({ limit: 20 });
    const cursor = page.ok ? (page.nextCursor ?? undefined) : undefined;
    await eraseAll(archiver);
    expect(await archiver.read({ cursor })).toMatchObject({ records: [], nextCursor: null });
    archiver.now += 1;
    await archiver.store([flight(10), flight(50)]);
    expect(recordsOf(await archiver.read({ cursor }))).toEqual([flight(50)]);
  });

  it("is good for another page size and format, and for no other query", async () => {
    const archiver = await spread();
    const page = await archiver.read({ limit: 20 });
    const cursor = page.ok ? (page.nextCursor ?? undefined) : undefined;
    expect(recordsOf(await archiver.read({ cursor, limit: 3 }))).toEqual(HOUR.slice(20, 23));
    expect(await archiver.readStream({ cursor, format: "ocf" })).toMatchObject({ ok: true });
    const refused = { ok: false, reason: "invalid", faults: [{ path: "/cursor" }] };
    expect(await archiver.read({ cursor, datasetId: "SFO" })).toMatchObject(refused);
    expect(await archiver.read({ cursor, table: "earthquakes" })).toMatchObject(refused);
    expect(await archiver.read({ cursor, to: EPOCH + 1 })).toMatchObject(refused);
    expect(await archiver.read({ cursor: "" })).toMatchObject(refused);
    expect(await archiver.read({ cursor: `${cursor}A` })).toMatchObject(refused);
  });
});
