import { describe, expect, it } from "vitest";
import { BUSY, FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { eraseDataset, hadRecords, receiptLines } from "./erase.ts";

const ERASE = "DELETE /admin/datasets/airport%3AATL";
const receipt = (state: "running" | "done", filesLeft: number) => ({
  status: state === "done" ? 200 : 202,
  body: {
    id: "e-1",
    datasetId: "airport:ATL",
    state,
    requestedAt: Date.UTC(2026, 10, 22),
    completedAt: state === "done" ? Date.UTC(2026, 10, 22, 0, 1) : null,
    hotRows: 2,
    hotRecords: 20,
    coldBlocks: 3,
    coldRecords: 3_000,
    deadLetters: 1,
    filesRewritten: 4,
    filesDeleted: 1,
    filesLeft,
    bytesBefore: 9_000,
    bytesAfter: 6_000,
  },
});

describe("an erasure", () => {
  it("goes on until the receipt says that it is done", async () => {
    const hub = (await FakeHub.start()).on(
      ERASE,
      receipt("running", 9),
      receipt("running", 4),
      receipt("done", 0),
    );
    const { state, filesLeft } = await eraseDataset(hub.operator(), "airport:ATL");
    expect([state, filesLeft]).toEqual(["done", 0]);
    expect(hub.requests.map(({ call }) => call)).toEqual([ERASE, ERASE, ERASE]);
    expect(hub.told).toEqual(["9 files are left", "4 files are left"]);
  });

  it("waits for another run and for the hub", async () => {
    const away = problem(503, "archiver-unavailable", { "retry-after": "2" });
    const hub = (await FakeHub.start()).on(
      ERASE,
      BUSY,
      receipt("running", 1),
      away,
      "hang-up",
      receipt("done", 0),
    );
    expect(await eraseDataset(hub.operator(), "airport:ATL")).toMatchObject({ state: "done" });
  });

  it("gives up, with the receipt, when it does not get on", async () => {
    const hub = (await FakeHub.start()).on(ERASE, receipt("running", 3));
    const error = await failure(eraseDataset(hub.operator(), "airport:ATL"));
    expect(error.message).toBe("The erasure of airport:ATL does not get on: 3 files are left");
    expect(error.data).toMatchObject({ receipt: { filesLeft: 3 } });
    expect(hub.requests).toHaveLength(21);
  });

  it("has a receipt to file", async () => {
    const hub = (await FakeHub.start()).on(ERASE, receipt("done", 0));
    expect(receiptLines(await eraseDataset(hub.operator(), "airport:ATL"))).toEqual([
      "receipt       e-1",
      "dataset       airport:ATL",
      "requested     2026-11-22T00:00:00.000Z",
      "completed     2026-11-22T00:01:00.000Z",
      "hot           20 records in 2 rows",
      "cold          3,000 records in 3 blocks",
      "dead letters  1",
      "files         4 rewritten, 1 deleted",
      "size          9.00 kB → 6.00 kB",
    ]);
  });
});

it("a receipt tells an erasure of nothing from one of something", () => {
  const nothing = {
    ...receipt("done", 0).body,
    hotRows: 0,
    hotRecords: 0,
    coldBlocks: 0,
    coldRecords: 0,
    deadLetters: 0,
    filesRewritten: 0,
    filesDeleted: 0,
  };
  expect(hadRecords(nothing)).toBe(false);
  expect(hadRecords({ ...nothing, deadLetters: 1 })).toBe(true);
});
