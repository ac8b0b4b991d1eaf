import { describe, expect, it } from "vitest";
import { captureLogs, faultPaths, testHub, withKey, type ProblemDocument } from "../../test/hub.ts";
import type { ArchiverApi, IngestRequest, IngestResult } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

const INGESTED: IngestResult = { ok: true, accepted: 1, messages: 1, bytes: 1, replayed: false };

/** An archiver that does what a test says; the rest of the service is not called. */
function archiver(api: Partial<ArchiverApi>): Pick<Env, "ARCHIVER"> {
  return { ARCHIVER: api as Env["ARCHIVER"] };
}

describe("POST /buffer with records only", () => {
  const TARGET = "dataset_id=airport:ATL&table=flights";

  /** A hub that keeps what its archiver is asked. */
  function listening() {
    const seen: IngestRequest[] = [];
    const hub = testHub(
      archiver({
        ingest: (request) => {
          seen.push(request);
          return Promise.resolve(INGESTED);
        },
      }),
    );
    return { hub, seen };
  }

  const send = (
    hub: ReturnType<typeof testHub>,
    query: string,
    type: string,
    body: BodyInit,
    headers: Record<string, string> = {},
  ) =>
    hub.fetch(`/buffer?${query}`, {
      method: "POST",
      body,
      headers: { ...withKey, "content-type": type, ...headers },
    });

  it.each([
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-ndjson; charset=utf-8",
  ])("takes lines of JSON as %s", async (type) => {
    const { hub, seen } = listening();
    const query = `${TARGET}&period_tag=2026_11_22`;
    const response = await send(hub, query, type, '{"delay":3}\n{"delay":-1}\n', {
      "idempotency-key": "upload-1",
    });
    expect(response.status).toBe(202);
    expect(seen).toEqual([
      {
        datasetId: "airport:ATL",
        table: "flights",
        periodTag: "2026_11_22",
        idempotencyKey: "upload-1",
        records: [{ delay: 3 }, { delay: -1 }],
      },
    ]);
  });

  it("takes a body that comes in pieces and states no length", async () => {
    const { hub, seen } = listening();
    const pieces = ['{"del', 'ay":1}\n{"delay"', ":2}"].map((piece) => new TextEncoder().encode(piece));
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    });
    expect((await send(hub, TARGET, "application/x-ndjson", body)).status).toBe(202);
    expect(seen).toMatchObject([{ records: [{ delay: 1 }, { delay: 2 }] }]);
  });

  it("lists every line that is none, every fault of the query and the key, and sends nothing", async () => {
    const { hub, seen } = listening();
    const response = await send(
      hub,
      "dataset_id=no spaces&period=1",
      "application/x-ndjson",
      '{"delay":1}\n{\n{"delay":2}\nnull,\n',
      { "idempotency-key": "two words" },
    );
    expect(response.status).toBe(422);
    expect(await faultPaths(response)).toEqual([
      "/idempotency-key",
      "/dataset_id",
      "/table",
      "/period",
      "/records/1",
      "/records/3",
    ]);
    expect(seen).toEqual([]);
  });

  it("lists the first hundred faults and counts them all", async () => {
    const response = await send(listening().hub, "", "application/x-ndjson", "{\n".repeat(500));
    const { faults, fault_count: count } = await response.json<ProblemDocument>();
    expect([faults?.length, count]).toEqual([100, 502]);
  });

  it("refuses a parameter that is given twice", async () => {
    const { hub, seen } = listening();
    const query = `${TARGET}&dataset_id=other`;
    for (const type of ["application/x-ndjson", "application/avro"]) {
      expect(await faultPaths(await send(hub, query, type, "1\n"))).toEqual(["/dataset_id"]);
    }
    expect(seen).toEqual([]);
  });

  it("refuses a body without records", async () => {
    for (const body of ["", "\n\r\n"]) {
      const response = await send(listening().hub, TARGET, "application/x-ndjson", body);
      expect(await faultPaths(response)).toEqual(["/records"]);
    }
  });

  it("names the archiver's faults by the same paths", async () => {
    const response = await send(
      testHub(),
      TARGET,
      "application/x-ndjson",
      '{"delay":1}\n\n{"delay":"late"}\n',
    );
    expect(await faultPaths(response)).toEqual(["/records/1/delay"]);
  });

  it("answers 404 for a table that there is not", async () => {
    const response = await send(testHub(), "dataset_id=a&table=other", "application/x-ndjson", "{}\n");
    expect(response.status).toBe(404);
  });

  it.each(["application/avro", "avro/binary", "Application/Avro; v=1"])(
    "hands the archiver the bytes of an Avro body as they are: %s",
    async (type) => {
      const { hub, seen } = listening();
      const container = Uint8Array.from({ length: 1_000 }, (_, index) => index % 256);
      const response = await send(hub, TARGET, type, container, { "idempotency-key": "upload-1" });
      expect(response.status).toBe(202);
      expect(seen).toEqual([
        { datasetId: "airport:ATL", table: "flights", idempotencyKey: "upload-1", container },
      ]);
    },
  );

  it("carries an Avro body over the call itself", async () => {
    const response = await send(testHub(), TARGET, "application/avro", new Uint8Array(3_000_000));
    expect(await response.json()).toMatchObject({ accepted: 3_000_000 });
  });

  it("needs the query of an Avro body, too", async () => {
    const { hub, seen } = listening();
    expect(await faultPaths(await send(hub, "", "application/avro", "Obj"))).toEqual([
      "/dataset_id",
      "/table",
    ]);
    expect(seen).toEqual([]);
  });

  it("says what has to be in the query", async () => {
    for (const type of ["application/x-ndjson", "application/avro"]) {
      const response = await send(listening().hub, "", type, "1\n");
      expect((await response.json<ProblemDocument>()).faults).toEqual([
        { path: "/dataset_id", message: "must be given in the query" },
        { path: "/table", message: "must be given in the query" },
      ]);
    }
  });

  it.each(["application/json", "application/x-ndjson", "application/avro"])(
    "says that the body broke off, with a stated length or without: %s",
    async (type) => {
      const { hub, seen } = listening();
      for (const length of [{}, { "content-length": "100" }]) {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
          pull: (controller) => controller.error(new Error("Network connection lost.")),
        });
        const response = await send(hub, type === "application/json" ? "" : TARGET, type, body, length);
        expect(response.status).toBe(400);
        expect((await response.json<ProblemDocument>()).type).toBe("urn:strata:problem:upload-broken-off");
      }
      expect(seen).toEqual([]);
    },
  );

  it("says that the lines beside a broken one were not checked", async () => {
    const detailOf = async (body: string) =>
      (await (await send(testHub(), TARGET, "application/x-ndjson", body)).json<ProblemDocument>()).detail;
    const remark = "other lines were not checked";
    expect(await detailOf('{"delay":"late"}\n{\n')).toContain(remark);
    expect(await detailOf("{\n")).not.toContain(remark);
    expect(await detailOf('{"delay":"late"}\n')).not.toContain(remark);
  });
});
