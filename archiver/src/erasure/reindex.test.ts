/** What a reindex makes of objects that hold what was erased: whenever they came, and whatever the bucket's clock says. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DAY, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { ClockedBucket } from "../../test/clocked.ts";
import { type Gate, gatedBucket, gatedDatabase } from "../../test/faults.ts";
import { reindexAll } from "../../test/life.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";
import { continueErasures, erase } from "./index.ts";

useStorage();

const ERASED = { datasetId: "erased" };
const NEIGHBOUR = { datasetId: "neighbour" };
const secret = flight(0, { origin: "SECRET" });

/** @param skew of the bucket's clock, ms */
function clocked(skew = 0): { readonly archiver: TestArchiver; readonly bucket: R2Bucket } {
  const { bucket }: ClockedBucket = new ClockedBucket(() => archiver.now + skew);
  const archiver: TestArchiver = new TestArchiver({ bucket });
  return { archiver, bucket };
}

async function loseIndex(): Promise<void> {
  await env.DB.batch(
    ["block_indexes", "archived_files"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
}

/** A run that stalls before its upload, wakes when its lease is lost, and leaves an object that none names. */
async function stallRun(archiver: TestArchiver, meanwhile: () => Promise<void>): Promise<void> {
  let isFirst = true;
  const gate: Gate = async (operation, perform) => {
    if (operation === "r2 put" && isFirst) {
      isFirst = false;
      archiver.now += LEASE_TTL_MS;
      await meanwhile();
      archiver.now += 1_000;
    }
    return perform();
  };
  const stalled = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate, archiver.bucket) });
  stalled.now = archiver.now;
  await stalled.archive();
  archiver.now += LEASE_TTL_MS;
}

describe("a reindex after an erasure", () => {
  it("brings nothing back that a run has left in the bucket that stalled meanwhile, even when the index is lost", async () => {
    const { archiver } = clocked();
    await archiver.store([secret], ERASED);
    await archiver.store([flight(1)], NEIGHBOUR);
    await stallRun(archiver, async () => {
      expect(await erase(archiver.bindings, ERASED)).toMatchObject({ receipt: { state: "done" } });
      await archiver.archive();
    });
    await loseIndex();
    await reindexAll(archiver);
    expect(await archiver.readAll(ERASED)).toEqual([]);
    expect(await archiver.readAll(NEIGHBOUR)).toEqual([flight(1)]);
  });

  it("keeps what was accepted since, when the bucket's clock is behind and the index is lost", async () => {
    const { archiver } = clocked(-5_000);
    await archiver.store([secret], ERASED);
    await archiver.archive();
    archiver.now += 1_000;
    await erase(archiver.bindings, ERASED);
    archiver.now += 1_000;
    await archiver.store([flight(7)], ERASED);
    await archiver.archive();
    await loseIndex();
    await reindexAll(archiver);
    expect(await archiver.readAll(ERASED)).toEqual([flight(7)]);
  });

  it("erases again what was put back into the bucket", async () => {
    const { archiver, bucket } = clocked();
    await archiver.store([secret], ERASED);
    await archiver.store([flight(1)], NEIGHBOUR);
    await archiver.archive();
    const [{ key = "" } = {}] = (await env.COLD.list()).objects;
    const bytes = (await (await env.COLD.get(key))?.arrayBuffer()) ?? new ArrayBuffer(0);
    await env.COLD.delete(key);
    await archiver.read(NEIGHBOUR);
    await erase(archiver.bindings, ERASED);
    archiver.now += DAY;
    await bucket.put(key, bytes);
    await reindexAll(archiver);
    expect(await archiver.readAll(ERASED)).toEqual([]);
    expect(await archiver.readAll(NEIGHBOUR)).toEqual([flight(1)]);
    expect(await continueErasures(archiver.bindings)).toBe(0);
    expect((await env.COLD.list()).objects.map((object) => object.key)).not.toContain(key);
  });
});

describe("an erasure", () => {
  it("deletes the object of a run that died, when the bucket's clock is ahead", async () => {
    const { archiver } = clocked(5_000);
    await archiver.store([secret], ERASED);
    await archiver.archive();
    await loseIndex();
    archiver.now += 1_000;
    expect(await erase(archiver.bindings, ERASED)).toMatchObject({ receipt: { state: "done" } });
    expect((await env.COLD.list()).objects).toEqual([]);
  });
});
