import { describe, expect, it } from "vitest";
import { flight, TestArchiver, useStorage } from "../../test/archiver.ts";
import { gatedDatabase } from "../../test/faults.ts";

useStorage();

/** Counts statements as D1 does: each one of a batch is a query of the invocation. */
function countingDatabase(): { readonly db: D1Database; readonly queries: () => number } {
  let queries = 0;
  const gate = <T>(operation: string, perform: () => Promise<T>): Promise<T> => {
    if (operation !== "batch") queries += 1;
    return perform();
  };
  const gated = gatedDatabase(gate);
  const db = new Proxy(gated, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (name !== "batch" || typeof member !== "function") return member;
      return (statements: readonly D1PreparedStatement[]) => {
        queries += statements.length;
        return member(statements);
      };
    },
  });
  return { db, queries: () => queries };
}

describe("an archive run", () => {
  it("makes no more queries than D1 allows an invocation, and leaves the rest to the next run", async () => {
    const { db, queries } = countingDatabase();
    const filling = new TestArchiver();
    for (let n = 0; n < 12; n += 1) await filling.store([flight(n)]);
    const archiver = new TestArchiver({ db });
    const first = await archiver.archive({ rowsPerPass: 1, queriesPerRun: 40 });
    expect(first).toMatchObject({ ran: true, files: 5, remaining: 7 });
    // Lease, watermark, five times a pick and a commit of five statements, what remains, release.
    expect(queries()).toBe(1 + 1 + 5 * (1 + 5) + 1 + 1);
    expect(await archiver.archive({ rowsPerPass: 1 })).toMatchObject({ files: 7, remaining: 0 });
    expect(await archiver.readAll()).toHaveLength(12);
  });

  it("ends when it has packed as many records as an invocation has CPU time for", async () => {
    const archiver = new TestArchiver();
    for (let n = 0; n < 4; n += 1) await archiver.store([flight(n)]);
    expect(await archiver.archive({ rowsPerPass: 1, bytesPerRun: 20 })).toMatchObject({
      files: 2,
      remaining: 2,
    });
    expect(await archiver.archive()).toMatchObject({ files: 1, hotRows: 2, remaining: 0 });
    expect(await archiver.readAll()).toHaveLength(4);
  });
});
