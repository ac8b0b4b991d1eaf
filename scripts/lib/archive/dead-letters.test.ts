import { describe, expect, it } from "vitest";
import { FakeHub, problem } from "../test/fake-hub.ts";
import { failure } from "../test/released.ts";
import { EXIT } from "../exit.ts";
import {
  deadLetterLines,
  listDeadLetters,
  missingLetters,
  settleChosen,
  settleDeadLetters,
} from "./dead-letters.ts";

const LIST = "GET /admin/dead-letters";
const REPLAY = "POST /admin/dead-letters/replay";
const PURGE = "POST /admin/dead-letters/purge";
const letter = (id: number) => ({
  id,
  receivedAt: Date.UTC(2026, 10, 22),
  reason: "no such table\nflight",
  datasetId: id === 1 ? null : "ATL",
  table: "flight",
  records: id === 1 ? null : 12,
  bytes: 1_234,
});
const outcome = (done: number, remaining: number) => ({ body: { done, remaining } });

describe("dead letters", () => {
  it("are listed page by page", async () => {
    const hub = (await FakeHub.start()).on(
      LIST,
      { body: { letters: [letter(1), letter(2)], total: 3, next: 2 } },
      { body: { letters: [letter(3)], total: 3, next: null } },
    );
    const { letters, total } = await listDeadLetters(hub.operator(), 500);
    expect([letters.map(({ id }) => id), total]).toEqual([[1, 2, 3], 3]);
    expect(hub.requests.map(({ query }) => query.toString())).toEqual(["limit=100", "limit=100&after=2"]);
  });

  it("are listed up to a limit", async () => {
    const hub = (await FakeHub.start()).on(LIST, {
      body: { letters: [letter(1), letter(2)], total: 900, next: 2 },
    });
    expect((await listDeadLetters(hub.operator(), 2)).letters).toHaveLength(2);
    expect(hub.requests.map(({ query }) => query.get("limit"))).toEqual(["2"]);
  });

  it("are shown a line each, whatever their reason holds", () => {
    expect(deadLetterLines([letter(1), letter(2)])).toEqual([
      "id  received                  dataset  table   records  size     reason",
      "1   2026-11-22T00:00:00.000Z  ?        flight  ?        1.23 kB  no such table flight",
      "2   2026-11-22T00:00:00.000Z  ATL      flight  12       1.23 kB  no such table flight",
    ]);
  });

  it("are sent back by their ids, a hundred in a call", async () => {
    const ids = Array.from({ length: 250 }, (_, index) => index + 1);
    const hub = (await FakeHub.start()).on(REPLAY, outcome(100, 0), outcome(90, 10), outcome(50, 0));
    expect(await settleDeadLetters(hub.operator(), "replay", { ids })).toEqual({ done: 240, remaining: 10 });
    expect(hub.bodies(REPLAY)[2]).toEqual({ ids: ids.slice(200) });
  });

  it("are deleted all, in as many calls as it takes", async () => {
    const hub = (await FakeHub.start()).on(PURGE, outcome(100, 150), outcome(100, 50), outcome(50, 0));
    expect(await settleDeadLetters(hub.operator(), "purge", { all: true })).toEqual({
      done: 250,
      remaining: 0,
    });
    expect(hub.bodies(PURGE)).toEqual(Array.from({ length: 3 }, () => ({ all: true })));
  });

  it("that come again are not sent back for ever", async () => {
    const hub = (await FakeHub.start()).on(REPLAY, outcome(1, 2));
    expect(await settleDeadLetters(hub.operator(), "replay", { all: true })).toEqual({
      done: 3,
      remaining: 2,
    });
    expect(hub.requests).toHaveLength(3);
  });

  it("stay where they are when the hub fails in the middle", async () => {
    const hub = (await FakeHub.start()).on(REPLAY, outcome(1, 2), problem(500, "internal-error"));
    await failure(settleDeadLetters(hub.operator(), "replay", { all: true }));
    expect(hub.requests).toHaveLength(2);
  });

  it("that are chosen and not there end it before anything is done", async () => {
    const hub = (await FakeHub.start()).on(LIST, { body: { letters: [letter(4)], total: 1, next: null } });
    const error = await failure(settleChosen(hub.operator(), "replay", { ids: [1, 4, 9] }));
    expect([error.exitCode, error.message]).toEqual([EXIT.failed, expect.stringContaining("the id 1, 9")]);
    expect(hub.bodies(REPLAY)).toEqual([]);
  });

  it("are found missing in as few pages as hold the chosen ones", async () => {
    const hub = (await FakeHub.start()).on(
      LIST,
      { body: { letters: [letter(3), letter(4)], total: 9, next: 4 } },
      { body: { letters: [letter(700)], total: 9, next: null } },
    );
    expect(await missingLetters(hub.operator(), [700, 3, 4, 2, 4, 701])).toEqual([2, 701]);
    expect(hub.requests.map(({ query }) => query.get("after"))).toEqual(["1", "699"]);
  });

  it("say when the chosen are settled how many are left in all", async () => {
    const hub = (await FakeHub.start())
      .on(
        LIST,
        { body: { letters: [letter(1), letter(2)], total: 8, next: 2 } },
        { body: { letters: [letter(2)], total: 7, next: 2 } },
      )
      .on(PURGE, outcome(1, 0));
    expect(await settleChosen(hub.operator(), "purge", { ids: [1] })).toEqual({
      done: 1,
      remaining: 0,
      total: 7,
    });
  });
});
