import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY, EPOCH, type Flight, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate } from "../../test/faults.ts";
import { GRACE_MS, retain } from "../retention/index.ts";
import { compact } from "./index.ts";

useStorage();

const LATER = EPOCH + 5 * DAY;
const FLIGHTS = 60;

/** Blocks of three flights or so, so that a page takes several, of several files. */
const SETTINGS = { blockBytes: 64 };

/** Every flight once, with equal ones among them, in the order of their times. */
const all: readonly Flight[] = Array.from({ length: FLIGHTS }, (_, n) => flight(Math.floor(n / 2)));

/** Four files whose times overlap; the last two come late. */
async function storeFiles(from = 0, to = 4): Promise<void> {
  const archiver = new TestArchiver({ settings: SETTINGS });
  for (let file = from; file < to; file += 1) {
    await archiver.store(all.filter((_, n) => n % 4 === file));
    await archiver.archive();
  }
}

function archiverAt(now: number, gate?: ReturnType<typeof interruptingGate>["gate"]): TestArchiver {
  const archiver = new TestArchiver({
    settings: SETTINGS,
    ...(gate === undefined ? {} : { db: gatedDatabase(gate), bucket: gatedBucket(gate) }),
  });
  archiver.now = now;
  return archiver;
}

const compactAll = async (): Promise<void> => {
  await compact(archiverAt(LATER).bindings, {});
};

/** Removes what was replaced, as if no reader could be at it any more. */
const removeReplaced = async (): Promise<void> => {
  await retain(archiverAt(LATER + GRACE_MS).bindings);
};

async function readEverything(): Promise<readonly unknown[]> {
  const pages = await archiverAt(LATER).readAll({ limit: 17 });
  expect(await archiverAt(LATER).read()).toMatchObject({ lostBlocks: 0 });
  return pages;
}

async function resetStorage(): Promise<void> {
  const tables = ["block_indexes", "archived_files", "archived_messages", "buffer_logs"];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
  await env.COLD.delete((await env.COLD.list()).objects.map(({ key }) => key));
}

/** Does something with an interruption at one operation, for each of its operations. @returns how many there are */
async function atEveryOperation(
  prepare: () => Promise<void>,
  run: (gate: ReturnType<typeof interruptingGate>["gate"]) => Promise<void>,
  interrupt: () => Promise<void>,
): Promise<number> {
  for (let at = 0; at < 500; at += 1) {
    await resetStorage();
    await prepare();
    const { gate, log } = interruptingGate(at, interrupt);
    await run(gate);
    if (log.length <= at) return at;
  }
  throw new Error("the operations do not end");
}

describe("a reader sees every record once", () => {
  it("at every moment of a compaction", async () => {
    const operations = await atEveryOperation(
      storeFiles,
      async (gate) => {
        await compact(archiverAt(LATER, gate).bindings, {});
      },
      async () => expect(await readEverything()).toEqual(all),
    );
    expect(operations).toBeGreaterThan(15);
  });

  it("at every moment of the sources' removal", async () => {
    const operations = await atEveryOperation(
      async () => {
        await storeFiles();
        await compactAll();
      },
      async (gate) => {
        await retain(archiverAt(LATER + GRACE_MS, gate).bindings);
      },
      async () => expect(await readEverything()).toEqual(all),
    );
    expect(operations).toBeGreaterThan(8);
  });

  it("when a compaction comes at any moment of its pages", async () => {
    const operations = await atEveryOperation(
      storeFiles,
      async (gate) => expect(await archiverAt(LATER, gate).readAll({ limit: 17 })).toEqual(all),
      compactAll,
    );
    expect(operations).toBeGreaterThan(8);
  });

  it("when the files that it is reading are merged and removed under its hands", async () => {
    const operations = await atEveryOperation(
      storeFiles,
      async (gate) => expect(await archiverAt(LATER, gate).readAll({ limit: 17 })).toEqual(all),
      async () => {
        await compactAll();
        await removeReplaced();
      },
    );
    expect(operations).toBeGreaterThan(8);
  });

  it("when between its pages files come, are merged and are removed", async () => {
    await storeFiles(0, 2);
    const archiver = archiverAt(LATER);
    const half = all.filter((_, n) => n % 4 < 2);
    let page = 0;
    const records = await archiver.readAll({ limit: 7 }, {}, async () => {
      page += 1;
      if (page === 1) await storeFiles(2, 3);
      await compactAll();
      if (page % 2 === 0) await removeReplaced();
    });
    const late = all.filter((_, n) => n % 4 === 2).map((record) => JSON.stringify(record));
    const found = records.map((record) => JSON.stringify(record));
    for (const record of half) expect(found).toContain(JSON.stringify(record));
    const doubled = found.filter((text, index) => found.indexOf(text) !== index && !late.includes(text));
    expect(doubled.length).toBe(half.length - new Set(half.map((record) => JSON.stringify(record))).size);
  });
});

describe("two compactions at once", () => {
  it("do not meet: one works, the other does nothing", async () => {
    await storeFiles();
    const results = await Promise.all([1, 2].map(() => compact(archiverAt(LATER).bindings, {})));
    expect(results.map(({ ran }) => ran).toSorted()).toEqual([false, true]);
    expect(await readEverything()).toEqual(all);
  });

  it("of which one stalls at any moment until the other has taken its lease leave every record once", async () => {
    const operations = await atEveryOperation(
      storeFiles,
      async (gate) => {
        await compact(archiverAt(LATER, gate).bindings, {}).catch(() => undefined);
        expect(await readEverything()).toEqual(all);
      },
      async () => {
        const other = archiverAt(LATER + GRACE_MS);
        await compact(other.bindings, {});
        await retain(other.bindings);
      },
    );
    expect(operations).toBeGreaterThan(15);
  });
});
