import { describe, expect, it } from "vitest";
import { captureLogs, faultPaths, json, testHub, withKey, type ProblemDocument } from "../../test/hub.ts";
import type { ArchiverApi, IngestResult } from "../../../archiver/src/contract.ts";
import { MAX_RECORD_DEPTH, MAX_RECORDS_PER_REQUEST } from "./bounds.ts";
import { MAX_UPLOAD_BYTES, UPLOAD_TYPES } from "./upload.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

const flights = (records: readonly unknown[], table = "flights") => ({
  dataset_id: "airport:ATL",
  table,
  records,
});

const INGESTED: IngestResult = { ok: true, accepted: 1, messages: 1, bytes: 1, replayed: false };

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
          return Promise.resolve(INGESTED);
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
          return Promise.resolve(INGESTED);
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

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/jsonp",
    "application/problem+json",
    "application/json, application/avro",
    "json",
    ";charset=utf-8",
    "",
  ])("answers 415 for the content type %j, and lists what is taken", async (contentType) => {
    const response = await post(flights([{ delay: 1 }]), { "content-type": contentType });
    expect(response.status).toBe(415);
    expect(response.headers.get("accept")).toBe(UPLOAD_TYPES.join(", "));
    const document = await problem(response);
    expect(document).toMatchObject({
      type: "urn:strata:problem:unsupported-media-type",
      content_types: UPLOAD_TYPES,
    });
    for (const type of UPLOAD_TYPES) expect(document.detail).toContain(type);
  });

  it("answers 415 for text in another charset", async () => {
    for (const type of ["application/json; charset=iso-8859-1", 'application/x-ndjson; charset="utf-16"']) {
      expect((await post(flights([{ delay: 1 }]), { "content-type": type })).status).toBe(415);
    }
  });

  it("answers 415 for a compressed body, and says that none is taken", async () => {
    const response = await post(flights([{ delay: 1 }]), { "content-encoding": "gzip" });
    expect([response.status, response.headers.get("accept-encoding")]).toEqual([415, "identity"]);
  });

  it("answers 401 before it looks at a body", async () => {
    const response = await testHub().fetch("/buffer", { method: "POST", body: "?" });
    expect(response.status).toBe(401);
  });

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

  it.each(["application/json; charset=utf-8", 'Application/JSON;Charset="UTF-8"', "application/json;v=1"])(
    "takes JSON as %j",
    async (contentType) => {
      expect((await post(flights([{ delay: 1 }]), { "content-type": contentType })).status).toBe(202);
    },
  );

  it("takes JSON behind a byte order mark", async () => {
    expect((await post(`\u{feff}${JSON.stringify(flights([{ delay: 1 }]))}`)).status).toBe(202);
  });

  it("refuses a dataset that no address could name", async () => {
    for (const id of [".", ".."]) {
      expect(await faultPaths(await post({ ...flights([{ delay: 1 }]), dataset_id: id }))).toEqual([
        "/dataset_id",
      ]);
    }
  });

  it("lists the faults of the key beside those of the body", async () => {
    const response = await post({ ...flights([]), table: "" }, { "idempotency-key": "two words" });
    expect(await faultPaths(response)).toEqual(["/idempotency-key", "/table", "/records"]);
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

  it("takes no query beside a body that says where its records belong", async () => {
    const query = "dataset_id=airport:ATL&table=flights&period_tag=1&limit=1";
    const response = await testHub().fetch(`/buffer?${query}`, json(flights([{ delay: 1 }]), withKey));
    expect(response.status).toBe(422);
    expect((await problem(response)).faults).toEqual([
      { path: "/dataset_id", message: "is in the body; JSON takes no query parameters" },
      { path: "/table", message: "is in the body; JSON takes no query parameters" },
      { path: "/period_tag", message: "is in the body; JSON takes no query parameters" },
      { path: "/limit", message: "is not known here; JSON takes no query parameters" },
    ]);
  });

  it.each([".hidden", "-1", "2026/11", "a b", "x".repeat(65)])(
    "refuses the period %j, which no object key can hold",
    async (period) => {
      const response = await post({ ...flights([{ delay: 1 }]), period_tag: period });
      expect(await faultPaths(response)).toEqual(["/period_tag"]);
    },
  );

  it.each(["2026_11_22", "_", "x".repeat(64), "2026-q4.1"])("takes the period %j", async (period) => {
    expect((await post({ ...flights([{ delay: 1 }]), period_tag: period })).status).toBe(202);
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

  it("answers 422 with the archiver's faults at the names that the client has used", async () => {
    const faults = ["/datasetId", "/periodTag", "/idempotencyKey", "/container", "/records/0"].map(
      (path) => ({
        path,
        message: "no",
      }),
    );
    const hub = testHub(
      archiver({ ingest: () => Promise.resolve({ ok: false, reason: "invalid", faults, faultCount: 5 }) }),
    );
    expect(await faultPaths(await hub.fetch("/buffer", json(flights([{}]), withKey)))).toEqual([
      "/dataset_id",
      "/period_tag",
      "/idempotency-key",
      "",
      "/records/0",
    ]);
  });

  it("says in a header that it repeats the first answer of a key", async () => {
    const first = await post(flights([{ delay: 1 }]), { "idempotency-key": "new" });
    const again = await post(flights([{ delay: 1 }]), { "idempotency-key": "known" });
    expect(first.headers.has("idempotency-replayed")).toBe(false);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
    expect(await again.json()).toEqual(await first.json());
  });

  it("answers 422 when a key came with another request before", async () => {
    const response = await post(flights([{ delay: 1 }]), { "idempotency-key": "reused" });
    expect(response.status).toBe(422);
    expect((await problem(response)).type).toBe("urn:strata:problem:idempotency-key-reused");
  });

  describe("when the queue refuses", () => {
    const refused = async (accepted: number, of: number, headers: Record<string, string> = {}) => {
      const reason = "queue-unavailable";
      const hub = testHub(
        archiver({
          ingest: () => Promise.resolve({ ok: false, reason, retryAfterSeconds: 2.5, accepted, of }),
        }),
      );
      return await hub.fetch("/buffer", json(flights([{ delay: 1 }]), { ...withKey, ...headers }));
    };

    it("answers 503 with Retry-After and how many records were taken", async () => {
      const response = await refused(3, 10);
      expect([response.status, response.headers.get("retry-after")]).toEqual([503, "3"]);
      expect(await problem(response)).toMatchObject({
        type: "urn:strata:problem:queue-unavailable",
        accepted: 3,
        of: 10,
      });
    });

    it("tells a client without a key to send the records that were not taken", async () => {
      const { detail } = await problem(await refused(3, 10));
      expect(detail).toContain("the first 3 of 10 records");
      expect(detail).toContain("Send only the last 7 again, those from `/records/3` on");
    });

    it("tells a client whose records were all refused to send them all again", async () => {
      const { detail } = await problem(await refused(0, 10));
      expect(detail).toBe("The ingest queue took none of the 10 records. Send the same request again.");
    });

    it("tells a client with a key to send the same request again", async () => {
      const { detail } = await problem(await refused(3, 10, { "idempotency-key": "upload-1" }));
      expect(detail).toContain("Send the same request with the same `Idempotency-Key` again");
    });
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
      expect((await post(padded(MAX_UPLOAD_BYTES))).status).toBe(202);
    });

    it.each(["application/json", "application/x-ndjson", "application/avro"])(
      "answers 413 for one byte more of %s",
      async (type) => {
        const body = new Uint8Array(MAX_UPLOAD_BYTES + 1).fill(0x20);
        const headers = { ...withKey, "content-type": type, "content-length": String(body.byteLength) };
        const response = await testHub().fetch("/buffer", { method: "POST", headers, body });
        expect(response.status).toBe(413);
        const document = await problem(response);
        expect(document).toMatchObject({
          type: "urn:strata:problem:body-too-large",
          max_bytes: MAX_UPLOAD_BYTES,
        });
        expect(document.detail).toContain(`at most ${MAX_UPLOAD_BYTES} bytes`);
      },
    );

    it("answers 413 for a stream that does not state its length, and reads no further", async () => {
      const chunk = new TextEncoder().encode("x".repeat(65_536));
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent > 2 * MAX_UPLOAD_BYTES) return controller.close();
          sent += chunk.byteLength;
          controller.enqueue(chunk);
        },
      });
      const headers = { ...withKey, "content-type": "application/json" };
      const response = await testHub().fetch("/buffer", { method: "POST", headers, body });
      expect(response.status).toBe(413);
      expect(sent).toBeLessThanOrEqual(MAX_UPLOAD_BYTES + 3 * chunk.byteLength);
    });
  });
});
