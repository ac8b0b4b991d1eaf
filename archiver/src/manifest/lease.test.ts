import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { useStorage } from "../../test/archiver.ts";
import {
  acquireLease,
  ARCHIVE_LEASE,
  holdsLease,
  LEASE_TTL_MS,
  releaseLease,
  renewLease,
  withLease,
} from "./lease.ts";

useStorage();

const request = (holder: string, now: number): Parameters<typeof acquireLease>[1] => ({
  name: ARCHIVE_LEASE,
  holder,
  now,
  ttl: 100,
});

async function row(): Promise<unknown> {
  return env.DB.prepare("SELECT holder, fence, expires_at FROM leases").first();
}

describe("a lease", () => {
  it("is one holder's until it expires, and every grant has a higher fence", async () => {
    expect(await acquireLease(env.DB, request("a", 1_000))).toEqual({ name: ARCHIVE_LEASE, fence: 1 });
    expect(await acquireLease(env.DB, request("b", 1_099))).toBeNull();
    expect(await row()).toEqual({ holder: "a", fence: 1, expires_at: 1_100 });
    expect(await acquireLease(env.DB, request("b", 1_100))).toEqual({ name: ARCHIVE_LEASE, fence: 2 });
  });

  it("is given to one of many who ask at once", async () => {
    const grants = await Promise.all(
      Array.from({ length: 8 }, (_, n) => acquireLease(env.DB, request(`${n}`, 5))),
    );
    expect(grants.filter((grant) => grant !== null)).toHaveLength(1);
  });

  it("is prolonged and let go by its holder only", async () => {
    const old = await acquireLease(env.DB, request("a", 0));
    const lease = await acquireLease(env.DB, request("b", 100));
    if (old === null || lease === null) throw new Error("the lease was not granted");
    expect([await holdsLease(env.DB, old), await holdsLease(env.DB, lease)]).toEqual([false, true]);
    await renewLease(env.DB, old, 9_999).run();
    await releaseLease(env.DB, old);
    expect(await row()).toEqual({ holder: "b", fence: 2, expires_at: 200 });
    await renewLease(env.DB, lease, 500).run();
    expect(await row()).toMatchObject({ expires_at: 500 });
    await releaseLease(env.DB, lease);
    expect(await row()).toEqual({ holder: "b", fence: 2, expires_at: 0 });
  });
});

describe("work under the archive's lease", () => {
  const bindings = { db: env.DB, now: () => 1_000, holder: "test" };

  it("is done while the lease is held, and lets it go", async () => {
    const result = await withLease(bindings, async (lease) => {
      expect(await row()).toEqual({ holder: "test", fence: lease.fence, expires_at: 1_000 + LEASE_TTL_MS });
      return "done";
    });
    expect(result).toBe("done");
    expect(await row()).toMatchObject({ expires_at: 0 });
  });

  it("is not done when another holds it", async () => {
    const inside = await withLease(bindings, () => withLease(bindings, async () => "done"));
    expect(inside).toBeNull();
  });

  it("lets it go when the work fails, and keeps the work's error when that fails too", async () => {
    await expect(withLease(bindings, () => Promise.reject(new Error("the work")))).rejects.toThrow(
      "the work",
    );
    expect(await row()).toMatchObject({ expires_at: 0 });
    const failing = withLease(bindings, async () => {
      await env.DB.prepare("ALTER TABLE leases RENAME TO gone").run();
      throw new Error("the work");
    });
    await expect(failing).rejects.toThrow("the work");
  });
});
