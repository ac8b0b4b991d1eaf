import { describe, expect, it } from "vitest";
import { asAdmin, captureLogs, faultPaths, json, testHub } from "../../test/hub.ts";
import type { ArchiverApi, DeadLetterChoice } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";
import { MAX_CHOSEN, MAX_DEAD_LETTERS } from "./dead-letter-shapes.ts";

captureLogs();

const list = (query = "") => testHub().fetch(`/admin/dead-letters?${query}`, { headers: asAdmin });
const post = (what: string, body: unknown) =>
  testHub().fetch(`/admin/dead-letters/${what}`, json(body, asAdmin));

describe("GET /admin/dead-letters", () => {
  it("lists messages with why they could not be stored", async () => {
    const response = await list();
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      letters: [
        {
          id: 50,
          receivedAt: 1000,
          reason: "is no message",
          datasetId: null,
          table: null,
          records: null,
          bytes: 3,
        },
      ],
      total: 2,
      next: 50,
    });
  });

  it("goes on after a letter, with as many as are asked for", async () => {
    expect(await (await list(`after=7&limit=${MAX_DEAD_LETTERS}`)).json()).toMatchObject({
      letters: [{ id: 7 + MAX_DEAD_LETTERS }],
    });
  });

  it("refuses what is no place in the list", async () => {
    expect(await faultPaths(await list("after=-1&limit=0&order=up"))).toEqual(["/after", "/limit", "/order"]);
    expect(await faultPaths(await list(`limit=${MAX_DEAD_LETTERS + 1}`))).toEqual(["/limit"]);
    expect(await faultPaths(await list("after=9007199254740993"))).toEqual(["/after"]);
    expect(await faultPaths(await list("after=1&after=2&limit=1e1"))).toEqual(["/after", "/limit"]);
  });
});

describe.each(["replay", "purge"])("POST /admin/dead-letters/%s", (what) => {
  it("does it to those named, or to all", async () => {
    expect(await (await post(what, { ids: [1, 2, 3] })).json()).toMatchObject({ done: 3 });
    expect(await (await post(what, { all: true })).json()).toMatchObject({ done: 2 });
  });

  it("hands on exactly what was chosen", async () => {
    const seen: DeadLetterChoice[] = [];
    const act = (choice: DeadLetterChoice) => {
      seen.push(choice);
      return Promise.resolve({ done: 0, remaining: 0 });
    };
    const api: Partial<ArchiverApi> =
      what === "replay" ? { replayDeadLetters: act } : { purgeDeadLetters: act };
    const hub = testHub({ ARCHIVER: api as Env["ARCHIVER"] });
    for (const body of [{ ids: [4] }, { all: true }]) {
      await hub.fetch(`/admin/dead-letters/${what}`, json(body, asAdmin));
    }
    expect(seen).toEqual([{ ids: [4] }, { all: true }]);
  });

  it.each([
    [{}, [""]],
    [{ ids: [1], all: true }, [""]],
    [[], [""]],
    [{ ids: [] }, ["/ids"]],
    [{ ids: ["1", 1.5, -1] }, ["/ids/0", "/ids/1", "/ids/2"]],
    [{ ids: Array.from({ length: MAX_CHOSEN + 1 }, () => 1) }, ["/ids"]],
    [{ all: false }, ["/all"]],
    [{ all: true, force: true }, ["/force"]],
  ])("refuses a choice that is not clear: %#", async (body, paths) => {
    const response = await post(what, body);
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(paths);
  });

  it("refuses no body: nothing is not all", async () => {
    const response = await testHub().fetch(`/admin/dead-letters/${what}`, {
      method: "POST",
      headers: asAdmin,
    });
    expect(response.status).toBe(422);
  });
});
