import { describe, expect, it } from "vitest";
import { captureLogs, faultPaths, json, testHub, withKey, type ProblemDocument } from "../../test/hub.ts";
import { MAX_BODY_BYTES } from "../http/index.ts";
import { MAX_READ_LIMIT, MAX_RECORD_DEPTH, MAX_RECORDS_PER_REQUEST } from "./shapes.ts";
import { MAX_TIME_MS, MIN_TIME_MS } from "./time.ts";
import type { ArchiverApi, ReadRequest } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

const flights = (records: readonly unknown[], table = "flights") => ({
  dataset_id: "airport:ATL",
  table,
  records,
});

const problem = async (response: Response): Promise<ProblemDocument> =>
  await response.json<ProblemDocument>();

/** An archiver that does what a test says; the rest of the service is not called. */
function archiver(api: Partial<ArchiverApi>): Pick<Env, "ARCHIVER"> {
  return { ARCHIVER: api as Env["ARCHIVER"] };
}

describe("POST /buffer", () => {
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    testHub().fetch("/buffer", json(body, { ...withKey, ...headers }));

  it("takes records and says what became of them", async () => {
    const response = await post(flights([{ delay: 3 }, { delay: -1 }]));
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ accepted: 2, messages: 1, bytes: 10 });
  });

  it("hands the archiver the records as they were sent", async () => {
    const seen: unknown[] = [];
    const hub = testHub(
      archiver({
        ingest: (request) => {
          seen.push(request);
          return Promise.resolve({ ok: true, accepted: 1, messages: 1, bytes: 1 });
        },
      }),
    );
    const record = { delay: 3, note: "ünïcode", nested: [null, 1.5] };
    await hub.fetch("/buffer", json({ ...flights([record]), period_tag: "2026_11_22" }, withKey));
    expect(seen).toEqual([
      { datasetId: "airport:ATL", table: "flights", periodTag: "2026_11_22", records: [record] },
    ]);
  });

  it("hands on the key that makes a retry safe, and refuses one that is none", async () => {
    const keys: (string | undefined)[] = [];
    const hub = testHub(
      archiver({
        ingest: ({ idempotencyKey }) => {
          keys.push(idempotencyKey);
          return Promise.resolve({ ok: true, accepted: 1, messages: 1, bytes: 1 });
        },
      }),
    );
    const send = (key: string) =>
      hub.fetch("/buffer", json(flights([{ delay: 1 }]), { ...withKey, "Idempotency-Key": key }));
    await send("upload-1");
    expect(keys).toEqual(["upload-1"]);
    for (const key of ["", "two words", "x".repeat(256)]) {
      expect(await faultPaths(await send(key))).toEqual(["/idempotency-key"]);
    }
  });

  it("answers 400 for a body that is not JSON", async () => {
    const response = await post('{"dataset_id": ');
    expect(response.status).toBe(400);
    expect((await problem(response)).type).toBe("urn:strata:problem:malformed-json");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", ""])(
    "answers 415 for the content type %j",
    async (contentType) => {
      const response = await post(flights([{ delay: 1 }]), { "content-type": contentType });
      expect(response.status).toBe(415);
      expect((await problem(response)).type).toBe("urn:strata:problem:unsupported-media-type");
    },
  );

  it("answers 400 for bytes that are not UTF-8, which would be stored as other text", async () => {
    const [before, after] = JSON.stringify(flights([{ delay: 1, note: "|" }])).split("|");
    const body = await new Blob([before ?? "", Uint8Array.of(0xc3, 0x28), after ?? ""]).arrayBuffer();
    const response = await testHub().fetch("/buffer", { ...json("", withKey), body });
    expect(response.status).toBe(400);
    expect(await problem(response)).toMatchObject({ type: "urn:strata:problem:malformed-json" });
  });

  it("answers 422 for a record nested deeper than a call can carry, and names the record", async () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const body = (levels: number) =>
      `{"dataset_id":"a","table":"flights","records":[{"delay":1},{"delay":1,"note":${nested(levels)}}]}`;
    expect((await post(body(MAX_RECORD_DEPTH - 1))).status).toBe(202);
    for (const levels of [MAX_RECORD_DEPTH, 5_000, 200_000]) {
      const response = await post(body(levels));
      expect(response.status).toBe(422);
      expect(await faultPaths(response)).toEqual(["/records/1"]);
    }
  });

  it("takes JSON with a charset", async () => {
    const response = await post(flights([{ delay: 1 }]), {
      "content-type": "application/json; charset=utf-8",
    });
    expect(response.status).toBe(202);
  });

  it("answers 422 with every fault of the shape at once", async () => {
    const response = await post({ dataset_id: "no spaces", records: [], period_tag: "", "rec/ords": 1 });
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual([
      "/dataset_id",
      "/table",
      "/period_tag",
      "/records",
      "/rec~1ords",
    ]);
  });

  it.each([[[]], ["text"], [null], [5]])("answers 422 for a body that is no object: %j", async (body) => {
    const response = await post(JSON.stringify(body));
    expect(response.status).toBe(422);
    expect((await problem(response)).faults).toEqual([{ path: "", message: "must be a JSON object" }]);
  });

  it("takes as many records as it says, and not one more", async () => {
    const records = Array.from({ length: MAX_RECORDS_PER_REQUEST }, () => ({ delay: 1 }));
    expect((await post(flights(records))).status).toBe(202);
    const response = await post(flights([...records, { delay: 1 }]));
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(["/records"]);
  });

  it("answers 404 with the tables there are", async () => {
    const response = await post(flights([{ delay: 1 }], "fligths"));
    expect(response.status).toBe(404);
    expect(await problem(response)).toMatchObject({
      type: "urn:strata:problem:unknown-table",
      tables: ["flights"],
    });
  });

  it("answers 422 with the archiver's faults when records do not fit", async () => {
    const response = await post(flights([{ delay: 1 }, { delay: "late" }, {}]));
    expect(response.status).toBe(422);
    expect(await problem(response)).toMatchObject({
      type: "urn:strata:problem:invalid",
      fault_count: 2,
      faults: [
        { path: "/records/1/delay", message: "must be an int" },
        { path: "/records/2/delay", message: "must be an int" },
      ],
    });
  });

  it("says how many faults there are when the archiver lists only the first", async () => {
    const faults = [{ path: "/datasetId", message: "no" }];
    const hub = testHub(
      archiver({ ingest: () => Promise.resolve({ ok: false, reason: "invalid", faults, faultCount: 250 }) }),
    );
    const document = await problem(await hub.fetch("/buffer", json(flights([{}]), withKey)));
    expect(document.fault_count).toBe(250);
    expect(document.detail).toContain("250 faults");
    expect(document.faults).toEqual([{ path: "/dataset_id", message: "no" }]);
  });

  it("answers 503 with Retry-After when the queue takes nothing", async () => {
    const response = await post(flights([{ delay: 1 }], "down"));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect((await problem(response)).type).toBe("urn:strata:problem:queue-unavailable");
  });

  it("answers 503 with Retry-After when the archiver cannot be reached, without its words", async () => {
    const hub = testHub(archiver({ ingest: () => Promise.reject(new Error("Network connection lost.")) }));
    const response = await hub.fetch("/buffer", json(flights([{ delay: 1 }]), withKey));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.text()).not.toContain("Network connection lost");
  });

  describe("body limit", () => {
    const padded = (bytes: number): string => {
      const body = JSON.stringify({ ...flights([{ delay: 1, pad: "" }]) });
      return body.replace('"pad":""', `"pad":"${"x".repeat(bytes - body.length)}"`);
    };

    it("takes a body of exactly the limit", async () => {
      expect((await post(padded(MAX_BODY_BYTES))).status).toBe(202);
    });

    it("answers 413 for one byte more", async () => {
      const response = await post(padded(MAX_BODY_BYTES + 1));
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({
        type: "urn:strata:problem:body-too-large",
        max_bytes: MAX_BODY_BYTES,
      });
    });

    it("answers 413 for a stream that does not state its length", async () => {
      const chunk = new TextEncoder().encode("x".repeat(65_536));
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent > 2 * MAX_BODY_BYTES) return controller.close();
          sent += chunk.byteLength;
          controller.enqueue(chunk);
        },
      });
      const headers = { ...withKey, "content-type": "application/json" };
      const response = await testHub().fetch("/buffer", { method: "POST", headers, body });
      expect(response.status).toBe(413);
      expect(sent).toBeLessThanOrEqual(MAX_BODY_BYTES + 3 * chunk.byteLength);
    });
  });
});

describe("GET /read", () => {
  const read = (query: string) => testHub().fetch(`/read?${query}`, { headers: withKey });
  const base = "dataset_id=airport:ATL&table=flights";

  it("answers a page, and where its records came from", async () => {
    const response = await read(`${base}&from=2026-11-22&to=2026-11-23`);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      records: [{ time: Date.parse("2026-11-22"), delay: 1 }],
      next_cursor: null,
      source: { hot: 1, cold: 0, range_reads: 0 },
    });
  });

  it("asks for all time and 1000 records unless told", async () => {
    const seen: ReadRequest[] = [];
    const hub = testHub(
      archiver({
        read: (request) => {
          seen.push(request);
          return Promise.resolve({
            ok: true,
            records: [],
            nextCursor: "next",
            hot: 0,
            cold: 0,
            rangeReads: 0,
          });
        },
      }),
    );
    const response = await hub.fetch(`/read?${base}&cursor=abc`, { headers: withKey });
    expect(seen).toEqual([
      {
        datasetId: "airport:ATL",
        table: "flights",
        from: MIN_TIME_MS,
        to: MAX_TIME_MS,
        limit: 1000,
        cursor: "abc",
      },
    ]);
    expect(await response.json()).toMatchObject({ next_cursor: "next" });
  });

  it("takes times as milliseconds too, before 1970 as well", async () => {
    expect(await (await read(`${base}&from=-86400000`)).json()).toMatchObject({
      records: [{ time: -86_400_000 }],
    });
  });

  it("answers 422 with every fault of the query at once", async () => {
    const response = await read("dataset_id=&from=yesterday&to=2026-02-30&limit=0&cursor=&order=up");
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual([
      "/dataset_id",
      "/table",
      "/from",
      "/to",
      "/limit",
      "/cursor",
      "/order",
    ]);
  });

  it.each(["0", "-1", "1.5", "ten", "", String(MAX_READ_LIMIT + 1), "1e3"])(
    "refuses the limit %j",
    async (limit) => {
      expect(await faultPaths(await read(`${base}&limit=${limit}`))).toEqual(["/limit"]);
    },
  );

  it.each([1, MAX_READ_LIMIT])("takes the limit %d", async (limit) => {
    expect((await read(`${base}&limit=${limit}`)).status).toBe(200);
  });

  it("refuses a parameter that is given twice", async () => {
    expect(await faultPaths(await read(`${base}&table=other&limit=1&limit=2`))).toEqual(["/table", "/limit"]);
  });

  it.each(["from=2&to=2", "from=3&to=2", `from=${MAX_TIME_MS}`, `to=${MIN_TIME_MS}`])(
    "refuses an interval that holds nothing: %s",
    async (interval) => {
      expect(await faultPaths(await read(`${base}&${interval}`))).toEqual(["/to"]);
    },
  );

  it("names an empty interval beside other faults", async () => {
    expect(await faultPaths(await read(`${base}&from=3&to=2&limit=0`))).toEqual(["/limit", "/to"]);
  });

  it("answers 404 with the tables there are", async () => {
    const response = await read("dataset_id=a&table=other");
    expect(response.status).toBe(404);
    expect((await problem(response)).tables).toEqual(["flights"]);
  });

  it("passes on what the archiver finds wrong with a cursor", async () => {
    const faults = [{ path: "/cursor", message: "is not one of ours" }];
    const hub = testHub(
      archiver({ read: () => Promise.resolve({ ok: false, reason: "invalid", faults, faultCount: 1 }) }),
    );
    const response = await hub.fetch(`/read?${base}&cursor=abc`, { headers: withKey });
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual(["/cursor"]);
  });

  it("answers 503 when the archiver cannot be reached", async () => {
    const hub = testHub(archiver({ read: () => Promise.reject(new Error("gone")) }));
    expect((await hub.fetch(`/read?${base}`, { headers: withKey })).status).toBe(503);
  });
});

describe("GET /tables", () => {
  it("lists the tables that take records", async () => {
    const response = await testHub().fetch("/tables", { headers: withKey });
    expect(await response.json()).toEqual({ tables: ["flights"] });
  });
});
