import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOf, intersectRows, type RowSet, rowsOf, unionRows } from "../cold/index.ts";
import { type Candidate, chooseFiles } from "./choose.ts";
import { type HotRow, joinShares, type Share } from "./same.ts";

/** What a database gave an id to. Another life of it gives the same ids to other datasets. */
function row(id: number, life = "a"): HotRow {
  return {
    id,
    table: "flights",
    fingerprint: "f1",
    period: "2026_11_20",
    datasetId: `${life}${id % 3}`,
    records: 1 + (id % 2),
    minTime: id * 10,
    maxTime: id * 10 + 5,
  };
}

function sharesOf(rows: readonly HotRow[]): ReadonlyMap<string, Share> {
  const shares = new Map<string, Share>();
  for (const { datasetId, records, minTime, maxTime } of rows) {
    shares.set(datasetId, joinShares(shares.get(datasetId), { records, minTime, maxTime }));
  }
  return shares;
}

function file(path: string, ids: readonly number[], fields: Partial<Candidate> = {}, life = "a"): Candidate {
  return {
    path,
    table: "flights",
    fingerprint: "f1",
    period: "2026_11_20",
    rows: rowsOf(ids),
    shares: sharesOf(ids.map((id) => row(id, life))),
    generation: 0,
    uploadedAt: 1,
    damaged: false,
    live: false,
    ...fields,
  };
}

const without = (shares: ReadonlyMap<string, Share>, datasetId: string): ReadonlyMap<string, Share> =>
  new Map([...shares].filter(([id]) => id !== datasetId));

const hotIds = (ids: readonly number[], life = "a") => ids.map((id) => row(id, life));
const paths = (files: readonly { readonly path: string }[]): readonly string[] =>
  files.map(({ path }) => path).sort();

describe("choosing files", () => {
  it("takes what a compaction wrote, and none of its sources", () => {
    const { chosen, superseded, conflicts } = chooseFiles(
      [file("a", [1, 2]), file("b", [3]), file("ab", [1, 2, 3], { generation: 1 }), file("c", [4])],
      [],
    );
    expect(paths(chosen)).toEqual(["ab", "c"]);
    expect(paths(superseded)).toEqual(["a", "b"]);
    expect(conflicts).toEqual([]);
  });

  it("takes what an erasure wrote instead of the file from before it", () => {
    const { chosen, superseded } = chooseFiles(
      [file("before", [1, 2, 3]), file("after", [1, 2, 3], { generation: 1 })],
      [],
    );
    expect(paths(chosen)).toEqual(["after"]);
    expect(paths(superseded)).toEqual(["before"]);
  });

  it("takes the later of two files of the same rows and generation", () => {
    const { chosen } = chooseFiles(
      [file("a", [1], { generation: 1, uploadedAt: 5 }), file("b", [1], { generation: 1, uploadedAt: 9 })],
      [],
    );
    expect(paths(chosen)).toEqual(["b"]);
  });

  it("leaves out the file of a run that died: its rows are still hot", () => {
    const { chosen, superseded } = chooseFiles([file("a", [1, 2]), file("dead", [3, 4])], hotIds([3, 4, 5]));
    expect(paths(chosen)).toEqual(["a"]);
    expect(paths(superseded)).toEqual(["dead"]);
  });

  it("leaves out the file of a run that died, whose rows were archived otherwise since", () => {
    const { chosen, superseded } = chooseFiles(
      [file("dead", [1, 2, 3]), file("x", [1, 2]), file("y", [3, 4])],
      [],
    );
    expect(paths(chosen)).toEqual(["x", "y"]);
    expect(paths(superseded)).toEqual(["dead"]);
  });

  it("reports a file that shares rows with another and has some that are nowhere else", () => {
    const { chosen, conflicts } = chooseFiles([file("small", [1, 2]), file("large", [2, 3, 4])], []);
    expect(paths(chosen)).toEqual(["large"]);
    expect(conflicts).toEqual([expect.objectContaining({ path: "small", onlyHere: 1 })]);
  });

  it("reports a file of which only a part is hot and the rest is nowhere else", () => {
    const { chosen, conflicts } = chooseFiles([file("a", [1, 2, 3])], hotIds([2]));
    expect(chosen).toEqual([]);
    expect(conflicts).toEqual([expect.objectContaining({ path: "a", onlyHere: 2 })]);
  });

  it("knows that equal ids of two tables are different rows", () => {
    const { chosen } = chooseFiles([file("a", [1, 2]), file("b", [1, 2], { table: "quakes" })], hotIds([7]));
    expect(paths(chosen)).toEqual(["a", "b"]);
  });

  it("takes the sources of a merged file that is damaged, while they are there", () => {
    const merged = file("ab", [1, 2], { generation: 1, damaged: true });
    expect(paths(chooseFiles([file("a", [1]), file("b", [2]), merged], []).chosen)).toEqual(["a", "b"]);
    expect(paths(chooseFiles([file("a", [1]), merged], []).chosen)).toEqual(["ab"]);
  });

  it("answers at once for a month of merges, each of the hours' files still there", () => {
    const hours = Array.from({ length: 2_000 }, (_, index) => file(`h${index}`, [2 * index, 2 * index + 1]));
    const days = Array.from({ length: 40 }, (_, day) =>
      file(
        `d${day}`,
        Array.from({ length: 100 }, (_unused, index) => day * 100 + index),
        { generation: 1 },
      ),
    );
    const all = file(
      "m",
      Array.from({ length: 4_000 }, (_, index) => index),
      { generation: 2 },
    );
    expect(paths(chooseFiles([...hours, ...days, all], []).chosen)).toEqual(["m"]);
    expect(paths(chooseFiles([...hours, ...days], []).chosen)).toHaveLength(40);
  });
});

describe("rows of one id that are not the same", () => {
  it("are both kept: an archived file whose ids hot rows of other datasets have again", () => {
    const { chosen, superseded } = chooseFiles([file("old", [1, 2, 3])], hotIds([1, 2, 3], "b"));
    expect(paths(chosen)).toEqual(["old"]);
    expect(superseded).toEqual([]);
  });

  it.each<[string, Partial<HotRow>]>([
    ["period", { period: "2026_11_21" }],
    ["dataset", { datasetId: "other" }],
    ["count", { records: 9 }],
    ["time", { maxTime: 16 }],
  ])("are told by another %s of a hot row", (_what, change) => {
    const same = hotIds([1, 2, 3]);
    const changed = same.map((one) => (one.id === 1 ? { ...one, ...change } : one));
    expect(paths(chooseFiles([file("f", [1, 2, 3])], same).superseded)).toEqual(["f"]);
    expect(paths(chooseFiles([file("f", [1, 2, 3])], changed).chosen)).toEqual(["f"]);
  });

  it("are both kept: a file, and a merged one of another life that names its rows", () => {
    const files = [file("old", [1, 2]), file("merged", [1, 2, 3, 4], { generation: 2 }, "b")];
    expect(paths(chooseFiles(files, []).chosen)).toEqual(["merged", "old"]);
  });

  it("are both kept where the covering file has fewer records, and is no later one", () => {
    const old = file("old", [1, 2]);
    const fewer = new Map([...old.shares].map(([id, share]) => [id, { ...share, records: 1 }]));
    const { chosen } = chooseFiles([old, file("new", [1, 2, 3], { shares: fewer, uploadedAt: 5 })], []);
    expect(paths(chosen)).toEqual(["new", "old"]);
  });

  it("are both kept where the periods differ, and one is not the month of the other", () => {
    const merged = (period: string) => file("m", [1, 2, 3], { period, generation: 1 });
    expect(paths(chooseFiles([file("a", [1, 2]), merged("2026_11")], []).chosen)).toEqual(["m"]);
    for (const period of ["2026_10", "2026_11_21", "2026"]) {
      expect(paths(chooseFiles([file("a", [1, 2]), merged(period)], []).chosen)).toEqual(["a", "m"]);
    }
  });

  it("are the same without a dataset that an erasure took out of the later file", () => {
    const before = file("before", [1, 2, 3]);
    const shares = without(before.shares, "a1");
    const after = (generation: number) => file("after", [1, 2, 3], { shares, generation });
    expect(chooseFiles([before, after(1)], [])).toMatchObject({
      chosen: [{ path: "after" }],
      superseded: [before],
    });
    expect(chooseFiles([before, after(0)], []).chosen).toContain(before);
  });
});

describe("a file that is live now", () => {
  it("stays so beside a replaced one that holds more, is of a higher generation or came later", () => {
    const live = file("live", [1, 2], { live: true });
    for (const other of [
      file("other", [1, 2], { generation: 3, uploadedAt: 9 }),
      file("other", [1, 2], { uploadedAt: 9 }),
      file("other", [1, 2, 3], { generation: 1 }),
    ]) {
      expect(paths(chooseFiles([other, live], []).chosen)).toEqual(["live"]);
    }
  });

  it("stays so where others together would hold every row, too", () => {
    const { chosen, superseded } = chooseFiles(
      [
        file("a", [1, 2], { live: true }),
        file("b", [3, 4], { live: true }),
        file("ab", [1, 2, 3, 4], { generation: 1, uploadedAt: 9 }),
      ],
      [],
    );
    expect(paths(chosen)).toEqual(["a", "b"]);
    expect(paths(superseded)).toEqual(["ab"]);
  });

  it("gives way where it is damaged and others hold its rows", () => {
    const live = file("live", [1, 2], { live: true, damaged: true });
    expect(paths(chooseFiles([live, file("a", [1]), file("b", [2])], []).chosen)).toEqual(["a", "b"]);
    expect(paths(chooseFiles([live], []).chosen)).toEqual(["live"]);
  });
});

const candidates = fc
  .array(
    fc.record({
      ids: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      generation: fc.nat(3),
      uploadedAt: fc.nat(3),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((items) => items.map(({ ids, ...fields }, index) => file(`f${index}`, ids, fields)));

const idsOf = (rows: RowSet): readonly number[] =>
  rows.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));

/** Whether some set of the files holds each of their rows exactly once, found by trying all. */
function hasExactCover(files: readonly Candidate[]): boolean {
  const all = countOf(unionRows(...files.map(({ rows }) => rows)));
  for (let mask = 1; mask < 2 ** files.length; mask += 1) {
    const some = files.filter((_, index) => (mask & (1 << index)) !== 0);
    const rows = some.reduce((sum, member) => sum + countOf(member.rows), 0);
    if (rows === all && countOf(unionRows(...some.map((member) => member.rows))) === all) return true;
  }
  return false;
}

describe("whatever lies in the bucket,", () => {
  it("files of another life of the database change nothing for those of this one", () => {
    fc.assert(
      fc.property(
        candidates,
        candidates,
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
        (ours, theirs, hot) => {
          const others = theirs.map(({ path, rows, ...fields }) =>
            file(
              `other-${path}`,
              idsOf(rows),
              { ...fields, shares: sharesOf(hotIds(idsOf(rows), "b")) },
              "b",
            ),
          );
          const both = chooseFiles([...ours, ...others], hotIds(hot));
          const here = chooseFiles(ours, hotIds(hot));
          const there = chooseFiles(others, []);
          expect(paths(both.chosen)).toEqual(paths([...here.chosen, ...there.chosen]));
          expect(paths(both.superseded)).toEqual(paths([...here.superseded, ...there.superseded]));
          expect(paths(both.conflicts)).toEqual(paths([...here.conflicts, ...there.conflicts]));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("a live file stays live where its rows are not hot and no other live one has them", () => {
    fc.assert(
      fc.property(candidates, fc.nat(6), (files, at) => {
        const marked = files.map((one, index) => ({ ...one, live: index === at % files.length }));
        const live = marked.filter((one) => one.live);
        expect(chooseFiles(marked, []).chosen).toEqual(expect.arrayContaining(live));
      }),
      { numRuns: 1_000 },
    );
  });

  it("no row is chosen twice, and every file is chosen, superseded or reported", () => {
    fc.assert(
      fc.property(
        candidates,
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
        (files, hot) => {
          const { chosen, superseded, conflicts } = chooseFiles(files, hotIds(hot));
          expect(paths([...chosen, ...superseded, ...conflicts])).toEqual(paths(files));
          const covered: RowSet = unionRows(rowsOf(hot), ...chosen.map(({ rows }) => rows));
          const counted = chosen.reduce((sum, { rows }) => sum + countOf(rows), hot.length);
          expect(countOf(covered)).toBe(counted);
          for (const { rows } of superseded) expect(intersectRows(rows, covered)).toEqual(rows);
          for (const { candidate, onlyHere } of conflicts) {
            expect(onlyHere).toBe(countOf(candidate.rows) - countOf(intersectRows(candidate.rows, covered)));
            expect(onlyHere).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("every row is covered where any set of the files can do it", () => {
    const uncovered = fc
      .sample(candidates, 2_000)
      .filter((files) => hasExactCover(files) && chooseFiles(files, []).conflicts.length > 0);
    expect(uncovered).toEqual([]);
  });

  it("the order in which the bucket lists does not matter", () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (files, seed) => {
        const turned = [...files.slice(seed % files.length), ...files.slice(0, seed % files.length)];
        expect(paths(chooseFiles(turned, []).chosen)).toEqual(paths(chooseFiles(files, []).chosen));
      }),
    );
  });
});
