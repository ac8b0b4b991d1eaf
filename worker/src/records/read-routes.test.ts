import { describe, expect, it } from "vitest";
import { captureLogs, faultPaths, testHub, withKey, type ProblemDocument } from "../../test/hub.ts";
import type { ArchiverApi, Page, ReadRequest, ReadResult } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";
import { READ_TYPES } from "./negotiate.ts";
import { MAX_READ_LIMIT } from "./shapes.ts";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time.ts";

captureLogs();

const BASE = "dataset_id=airport:ATL&table=flights";

const problem = async (response: Response): Promise<ProblemDocument> =>
  await response.json<ProblemDocument>();

const get = (hub: ReturnType<typeof testHub>, query: string, init: RequestInit = {}) =>
  hub.fetch(`/read?${query}`, { ...init, headers: { ...withKey, ...(init.headers as object) } });

const read = (query: string, headers: Record<string, string> = {}) => get(testHub(), query, { headers });

/** A hub whose archiver answers reads as a test says. */
function hubReading(answer: (request: ReadRequest) => ReadResult) {
  const api: Partial<ArchiverApi> = { read: (request) => Promise.resolve(answer(request)) };
  return testHub({ ARCHIVER: api as Env["ARCHIVER"] });
}

const encode = (text: string) => new TextEncoder().encode(text);

function streamOf(...chunks: readonly string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encode(chunk));
      controller.close();
    },
  });
}

const PAGE: Page = {
  ok: true,
  modified: true,
  body: streamOf(),
  etag: null,
  nextCursor: null,
  hot: 0,
  cold: 0,
  rangeReads: 0,
  coldBytes: 0,
  lostBlocks: 0,
};

const hubGiving = (page: Partial<Page>) => hubReading(() => ({ ...PAGE, body: streamOf("[]"), ...page }));

describe("GET /read", () => {
  it("answers a page, and where its records came from", async () => {
    const response = await read(`${BASE}&from=2026-11-22&to=2026-11-23`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.json()).toEqual({
      records: [{ time: Date.parse("2026-11-22"), delay: 1 }],
      next_cursor: null,
      source: { hot: 1, cold: 0, range_reads: 0, cold_bytes: 0, lost_blocks: 0 },
    });
  });

  it("asks for all time, 1000 records and JSON unless told", async () => {
    const seen: ReadRequest[] = [];
    const hub = hubReading((request) => {
      seen.push(request);
      return { ...PAGE, body: streamOf("[]"), nextCursor: "next" };
    });
    const response = await get(hub, `${BASE}&cursor=abc`);
    expect(seen).toEqual([
      {
        datasetId: "airport:ATL",
        table: "flights",
        from: MIN_TIME_MS,
        to: MAX_TIME_MS,
        limit: 1000,
        cursor: "abc",
        format: "json",
      },
    ]);
    expect(await response.json()).toMatchObject({ records: [], next_cursor: "next" });
  });

  it("takes times as milliseconds too, before 1970 as well", async () => {
    expect(await (await read(`${BASE}&from=-86400000`)).json()).toMatchObject({
      records: [{ time: -86_400_000 }],
    });
  });

  it("answers 422 with every fault of the query at once", async () => {
    const response = await read(
      "dataset_id=&from=yesterday&to=2026-02-30&limit=0&cursor=&format=xml&order=up",
    );
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual([
      "/dataset_id",
      "/table",
      "/from",
      "/to",
      "/limit",
      "/cursor",
      "/format",
      "/order",
    ]);
  });

  it.each(["0", "-1", "1.5", "ten", "", String(MAX_READ_LIMIT + 1), "1e3"])(
    "refuses the limit %j",
    async (limit) => {
      expect(await faultPaths(await read(`${BASE}&limit=${limit}`))).toEqual(["/limit"]);
    },
  );

  it.each([1, MAX_READ_LIMIT])("takes the limit %d", async (limit) => {
    expect((await read(`${BASE}&limit=${limit}`)).status).toBe(200);
  });

  it("refuses a parameter that is given twice", async () => {
    const twice = `${BASE}&table=other&limit=1&limit=2&format=json&format=json`;
    expect(await faultPaths(await read(twice))).toEqual(["/table", "/limit", "/format"]);
  });

  it("says that a parameter is missing", async () => {
    const message = "must be given in the query";
    expect((await problem(await read("table=flights"))).faults).toEqual([{ path: "/dataset_id", message }]);
  });

  it.each(["from=20000&to=20000", "from=30000&to=20000", `from=${MAX_TIME_MS}`, `to=${MIN_TIME_MS}`])(
    "refuses an interval that holds nothing: %s",
    async (interval) => {
      expect(await faultPaths(await read(`${BASE}&${interval}`))).toEqual(["/to"]);
    },
  );

  it("names an empty interval beside other faults", async () => {
    expect(await faultPaths(await read(`${BASE}&from=30000&to=20000&limit=0`))).toEqual(["/limit", "/to"]);
  });

  it("answers 404 with the tables there are", async () => {
    const response = await read("dataset_id=a&table=other");
    expect(response.status).toBe(404);
    expect((await problem(response)).tables).toEqual(["flights"]);
  });

  it("passes on what the archiver finds wrong with a cursor", async () => {
    const faults = [{ path: "/cursor", message: "is not one of ours" }];
    const response = await get(
      hubReading(() => ({ ok: false, reason: "invalid", faults, faultCount: 1 })),
      `${BASE}&cursor=abc`,
    );
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(["/cursor"]);
  });

  it("says how to write a year, and a zone's plus sign", async () => {
    const response = await read(`${BASE}&from=2002&to=2026-11-22T08:00:00+02:00`);
    expect((await problem(response)).faults).toEqual([
      { path: "/from", message: expect.stringContaining("2002-01-01") as string },
      { path: "/to", message: expect.stringContaining("%2B") as string },
    ]);
  });

  it("answers 503 when the archiver cannot be reached", async () => {
    const hub = hubReading(() => {
      throw new Error("gone");
    });
    expect((await get(hub, BASE)).status).toBe(503);
  });
});

describe("the format of a page", () => {
  it.each([
    ["json", "application/json", '{"records":[{"time":0,"delay":1}],"next_cursor":null,"source":'],
    ["ndjson", "application/x-ndjson", '{"time":0,"delay":1}\n'],
    ["ocf", "application/avro", "Obj\u0001"],
  ])("is %s when the query says so, whatever is accepted", async (format, type, start) => {
    const response = await read(`${BASE}&from=0&format=${format}`, { accept: "text/html" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
    expect(response.headers.has("vary")).toBe(false);
    expect((await response.text()).startsWith(start)).toBe(true);
  });

  it.each([
    ["application/x-ndjson", "application/x-ndjson", '{"time":0'],
    ["application/ndjson", "application/ndjson", '{"time":0'],
    ["application/avro", "application/avro", "Obj"],
    ["application/json", "application/json", '{"records":'],
    ["*/*", "application/json", '{"records":'],
  ])("is what is accepted when the query does not say it: %s", async (accept, type, start) => {
    const response = await read(`${BASE}&from=0`, { accept });
    expect([response.headers.get("vary"), response.headers.get("content-type")]).toEqual(["accept", type]);
    expect((await response.text()).startsWith(start)).toBe(true);
  });

  it("is none that is not accepted: 406, and what there is", async () => {
    const response = await read(BASE, { accept: "text/html, application/xml;q=0.9" });
    expect([response.status, response.headers.get("vary")]).toEqual([406, "accept"]);
    expect(await problem(response)).toMatchObject({
      type: "urn:strata:problem:not-acceptable",
      content_types: READ_TYPES,
    });
  });

  it("names a file to save an Avro page as", async () => {
    const name = (await read(`${BASE}&format=ocf`)).headers.get("content-disposition");
    expect(name).toBe('attachment; filename="flights-airport_ATL.avro"');
    expect((await read(`${BASE}&format=ndjson`)).headers.has("content-disposition")).toBe(false);
  });
});

describe("the head of a page", () => {
  it("says where its records came from, in every format", async () => {
    for (const format of ["json", "ndjson", "ocf"]) {
      const { headers } = await read(`dataset_id=cold&table=flights&format=${format}`);
      const source = ["hot", "cold", "range-reads", "cold-bytes", "lost-blocks"];
      expect(source.map((name) => headers.get(`strata-source-${name}`))).toEqual(["0", "1", "1", "64", "0"]);
    }
  });

  it("leads to the next page: the same address with its cursor", async () => {
    const query = "dataset_id=cold&table=flights&from=2026-11-22T08:00:00%2B02:00&cursor=old&format=ndjson";
    const { headers } = await read(query);
    expect(headers.get("strata-next-cursor")).toBe("next-page");
    const [, address = ""] = /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "") ?? [];
    const next = new URL(address, "https://elsewhere.example");
    expect([next.origin, next.pathname]).toEqual(["https://elsewhere.example", "/read"]);
    expect(Object.fromEntries(next.searchParams)).toEqual({
      dataset_id: "cold",
      table: "flights",
      from: "2026-11-22T08:00:00+02:00",
      cursor: "next-page",
      format: "ndjson",
    });
  });

  it("leads nowhere from the last page", async () => {
    const { headers } = await read(BASE);
    expect([headers.has("link"), headers.has("strata-next-cursor")]).toEqual([false, false]);
  });

  it.each([
    [{ hot: 0, cold: 1 }, "private, max-age=60"],
    [{ hot: 1, cold: 1 }, "no-store"],
    [{ hot: 1, cold: 0 }, "no-store"],
    [{ hot: 0, cold: 0 }, "no-store"],
    [{ hot: 0, cold: 1, lostBlocks: 1 }, "no-store"],
  ])(
    "allows to keep it only where every record is cold and none is lacking: %j is %s",
    async (page, kept) => {
      const response = await get(hubGiving({ ...page, etag: '"tag"' }), `${BASE}&format=ndjson`);
      expect([response.headers.get("cache-control"), response.headers.get("etag")]).toEqual([kept, '"tag"']);
    },
  );

  it("has no tag where the archiver gives none", async () => {
    expect((await get(hubGiving({ etag: null }), BASE)).headers.has("etag")).toBe(false);
  });

  it("has a weak tag in JSON, whose costs may differ where its records do not", async () => {
    expect((await get(hubGiving({ etag: '"tag"' }), BASE)).headers.get("etag")).toBe('W/"tag"');
  });
});

describe("a page that the client has", () => {
  it.each(["json", "ndjson", "ocf"])("is a 304 with its tag and nothing else, as %s", async (format) => {
    const query = `dataset_id=cold&table=flights&format=${format}`;
    const etag = (await read(query)).headers.get("etag") ?? "";
    const response = await read(query, { "if-none-match": `"other", ${etag.replace("W/", "")}` });
    expect([response.status, response.headers.get("etag"), await response.text()]).toEqual([304, etag, ""]);
    expect(response.headers.has("cache-control")).toBe(false);
  });

  it("is a 304 that varies as the page does", async () => {
    const response = await read("dataset_id=cold&table=flights", { "if-none-match": '"cold-json"' });
    expect([response.status, response.headers.get("vary")]).toEqual([304, "accept"]);
  });

  it("is known by any list of tags, which the archiver judges", async () => {
    const seen: (string | undefined)[] = [];
    const hub = hubReading(({ ifNoneMatch }) => {
      seen.push(ifNoneMatch);
      return { ...PAGE, body: streamOf("[]") };
    });
    const lists = ["*", 'W/"a"', '"a", W/"b,c"', "garbage"];
    for (const list of lists) await get(hub, BASE, { headers: { "if-none-match": list } });
    await get(hub, BASE);
    expect(seen).toEqual([...lists, undefined]);
  });
});

describe("HEAD /read", () => {
  it.each(["json", "ndjson", "ocf"])("answers as GET does, without the body, as %s", async (format) => {
    const query = `dataset_id=cold&table=flights&format=${format}`;
    const headersOf = ({ headers }: Response) =>
      Object.fromEntries([...headers].filter(([name]) => name !== "x-request-id"));
    const whole = await read(query);
    const head = await get(testHub(), query, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(headersOf(head)).toEqual(headersOf(whole));
    await whole.body?.cancel();
  });

  it("lets go of the page's body", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    expect((await get(hubGiving({ body }), BASE, { method: "HEAD" })).status).toBe(200);
    expect(cancelled).toBe(true);
  });

  it("answers 304 and refusals as GET does", async () => {
    const status = async (query: string, headers: Record<string, string> = {}) =>
      (await get(testHub(), query, { method: "HEAD", headers })).status;
    expect(await status("dataset_id=cold&table=flights", { "if-none-match": '"cold-json"' })).toBe(304);
    expect(await status("dataset_id=a&table=other")).toBe(404);
    expect(await status(`${BASE}&limit=0`)).toBe(422);
  });
});

describe("the body of a page", () => {
  const FORMATS = ["json", "ndjson", "ocf"];

  it.each(FORMATS)("breaks off for the client when it breaks, also as %s over the call", async (format) => {
    const response = await read(`dataset_id=broken&table=flights&format=${format}`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow(/./);
  });

  it("gives what came before the break, and never what belongs to the end", async () => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls += 1;
          if (pulls === 1) controller.enqueue(encode('[{"time":1}'));
          else controller.error(new Error("damaged"));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = (await get(hubGiving({ body }), BASE)).body?.getReader();
    let text = "";
    const drain = async () => {
      for (;;) {
        const chunk = await reader?.read();
        if (chunk === undefined || chunk.done) return;
        text += new TextDecoder().decode(chunk.value);
      }
    };
    await expect(drain()).rejects.toThrow("damaged");
    expect(text.startsWith('{"records":')).toBe(true);
    expect(text).not.toContain("next_cursor");
  });

  it.each(FORMATS)("is read no faster than the client reads it, as %s", async (format) => {
    let made = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made += 1;
          controller.enqueue(encode("x".repeat(1_000)));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = (await get(hubGiving({ body }), `${BASE}&format=${format}`)).body?.getReader();
    for (let index = 0; index < 3; index += 1) await reader?.read();
    expect(made).toBeLessThanOrEqual(5);
    await reader?.cancel();
  });

  it.each(FORMATS)("is let go when the client goes away, as %s", async (format) => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(encode("x")),
      cancel() {
        cancelled = true;
      },
    });
    const reader = (await get(hubGiving({ body }), `${BASE}&format=${format}`)).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect(cancelled).toBe(true);
  });

  it("is one JSON document however it is cut", async () => {
    const records = [{ text: 'a "quoted" line\n' }, { text: "ünïcode" }];
    const bytes = encode(JSON.stringify(records));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const response = await get(hubGiving({ body, nextCursor: "a.b-c_d" }), BASE);
    expect(await response.json()).toMatchObject({ records, next_cursor: "a.b-c_d" });
  });
});
