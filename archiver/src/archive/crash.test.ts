import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { countRows, flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedBucket, gatedDatabase, interruptingGate, killingGate } from "../../test/faults.ts";
import { expectExactlyOnce, fill } from "../../test/filled.ts";
import { LEASE_TTL_MS } from "../manifest/index.ts";

useStorage();

async function forget(...further: readonly string[]): Promise<void> {
  const tables = ["block_indexes", "archived_files", "archived_messages", "leases", ...further];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
}

describe("an archive run that dies", () => {
  /** The operations of a run, so that a test can stop at each. */
  async function operations(): Promise<number> {
    const { gate, log } = killingGate(Number.POSITIVE_INFINITY, "before");
    const archiver = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    await fill(new TestArchiver());
    await archiver.archive({ rowsPerPass: 3 });
    await forget("buffer_logs", "sqlite_sequence");
    return log.length;
  }

  it.each(["before", "after"] as const)(
    "%s any operation loses nothing and doubles nothing",
    async (moment) => {
      const count = await operations();
      expect(count).toBeGreaterThanOrEqual(10);
      for (let at = 0; at < count; at += 1) {
        const healthy = new TestArchiver();
        await fill(healthy);
        const { gate } = killingGate(at, moment);
        const dying = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
        await dying.archive({ rowsPerPass: 3 }).catch(() => undefined);

        await expectExactlyOnce(healthy);
        healthy.now += LEASE_TTL_MS;
        expect(await healthy.archive({ rowsPerPass: 3 })).toMatchObject({ ran: true, remaining: 0 });
        expect(await countRows("buffer_logs")).toBe(0);
        await expectExactlyOnce(healthy);
        await forget("sqlite_sequence");
      }
    },
  );

  it("after its upload leaves an object that is nobody's, also when the same rows are moved again", async () => {
    const healthy = new TestArchiver();
    await healthy.store([flight(1)]);
    const { gate, log } = killingGate(4, "before");
    const dying = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    await expect(dying.archive()).rejects.toThrow("batch");
    expect(log.slice(3)).toContain("r2 put");
    const left = await env.COLD.list();
    expect(left.objects).toHaveLength(1);

    healthy.now += LEASE_TTL_MS;
    expect(await healthy.archive()).toMatchObject({ files: 1 });
    await env.COLD.delete(left.objects.map(({ key }) => key));
    expect(await healthy.readAll()).toEqual([flight(1)]);
  });

  it("does not take an object of another content for its own", async () => {
    const archiver = new TestArchiver();
    await archiver.store([flight(1)]);
    const planting = new Proxy(env.COLD, {
      get(target, name) {
        if (name !== "put") return Reflect.get(target, name).bind(target);
        return async (key: string, bytes: Uint8Array, options: R2PutOptions) => {
          await target.put(key, "something else");
          return target.put(key, bytes, options);
        };
      },
    });
    await expect(new TestArchiver({ bucket: planting }).archive()).rejects.toThrow(
      "exists with another content",
    );
    expect(await countRows("buffer_logs")).toBe(1);
    expect(await archiver.readAll()).toEqual([flight(1)]);
    expect(await archiver.archive()).toMatchObject({ hotRows: 1, remaining: 0 });
    expect(await archiver.readAll()).toEqual([flight(1)]);
  });
});

describe("an archive run that stalls and wakes", () => {
  it("at any operation does no harm after another run has taken its lease and done its work", async () => {
    let stalls = 0;
    for (let at = 1; at < 12; at += 1) {
      const other = new TestArchiver();
      await fill(other);
      other.now += 2 * LEASE_TTL_MS;
      let other_ran = false;
      const { gate } = interruptingGate(at, async () => {
        other_ran = (await other.archive()).ran;
      });
      const stalled = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
      await stalled.archive({ rowsPerPass: 3 });
      if (other_ran) stalls += 1;

      await expectExactlyOnce(other);
      expect(await countRows("buffer_logs")).toBe(0);
      await forget();
    }
    expect(stalls).toBeGreaterThanOrEqual(8);
  });

  it("does not shorten or end the lease of the run that took over", async () => {
    const archiver = new TestArchiver();
    await fill(archiver);
    const { gate } = interruptingGate(2, async () => {
      await env.DB.prepare(
        "UPDATE leases SET holder = 'other', fence = fence + 1, expires_at = 42424242",
      ).run();
    });
    const stalled = new TestArchiver({ db: gatedDatabase(gate), bucket: gatedBucket(gate) });
    expect(await stalled.archive()).toMatchObject({ ran: true, hotRows: 0, remaining: 5 });
    expect(await env.DB.prepare("SELECT holder, expires_at FROM leases").first()).toEqual({
      holder: "other",
      expires_at: 42424242,
    });
  });
});
