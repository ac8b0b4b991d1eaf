/** The archiver of the hub's tests: every call answered, over real RPC and with real streams. */
import { WorkerEntrypoint } from "cloudflare:workers";

const TABLES = ["flights"];
const encoder = new TextEncoder();

const spent = {
  d1Queries: 3,
  d1RowsRead: 20,
  d1RowsWritten: 10,
  r2ClassA: 1,
  r2ClassB: 0,
  r2BytesRead: 0,
  r2BytesWritten: 100,
  compressedBytes: 400,
  decompressedBytes: 0,
};

const receipt = (datasetId, state) => ({
  id: "erasure-1",
  datasetId,
  state,
  requestedAt: 1000,
  completedAt: state === "done" ? 2000 : null,
  hotRows: 1,
  hotRecords: 2,
  coldBlocks: 3,
  coldRecords: 4,
  deadLetters: 0,
  filesRewritten: 1,
  filesDeleted: 0,
  filesLeft: state === "done" ? 0 : 1,
  bytesBefore: 500,
  bytesAfter: 300,
});

/** Two chunks of a page; where it breaks, there is no second one. */
function body(format, record, breaks) {
  const text = JSON.stringify(record);
  const chunks = { json: ["[" + text, "]"], ndjson: [text, "\n"], ocf: ["Obj\u0001", text] }[format];
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const chunk = chunks.shift();
      if (breaks && chunks.length === 0) return controller.error(new Error("the object is damaged"));
      if (chunk === undefined) return controller.close();
      controller.enqueue(encoder.encode(chunk));
    },
  });
}

export default { fetch: () => new Response("archiver") };

export class ArchiveService extends WorkerEntrypoint {
  ingest({ table, records = [], container, idempotencyKey }) {
    const of = container === undefined ? records.length : container.byteLength;
    if (table === "down") {
      return { ok: false, reason: "queue-unavailable", retryAfterSeconds: 5, accepted: of - 1, of };
    }
    if (!TABLES.includes(table)) return { ok: false, reason: "unknown-table", tables: TABLES };
    if (idempotencyKey === "reused") return { ok: false, reason: "idempotency-key-reused" };
    const faults = records.flatMap((record, index) =>
      typeof record?.delay === "number"
        ? []
        : [{ path: `/records/${index}/delay`, message: "must be an int" }],
    );
    if (faults.length > 0) return { ok: false, reason: "invalid", faults, faultCount: faults.length };
    return { ok: true, accepted: of, messages: 1, bytes: 10, replayed: idempotencyKey === "known" };
  }

  /** `cold` names a dataset that is wholly cold, `broken` one whose pages break, `damaged` one without any. */
  read({ table, datasetId, from, format, ifNoneMatch }) {
    if (!TABLES.includes(table)) return { ok: false, reason: "unknown-table", tables: TABLES };
    if (datasetId === "damaged") {
      return { ok: false, reason: "unreadable", code: "block-damaged", detail: "block at 60 of 1.avro" };
    }
    const cold = datasetId === "cold";
    const etag = `"cold-${format}"`;
    if (cold && ifNoneMatch?.split(", ").includes(etag)) return { ok: true, modified: false, etag };
    return {
      ok: true,
      modified: true,
      body: body(format, { time: from, delay: 1 }, datasetId === "broken"),
      etag: cold ? etag : null,
      nextCursor: cold ? "next-page" : null,
      hot: cold ? 0 : 1,
      cold: cold ? 1 : 0,
      rangeReads: cold ? 1 : 0,
      coldBytes: cold ? 64 : 0,
      lostBlocks: 0,
    };
  }

  archive() {
    return { ran: true, files: 1, blocks: 1, records: 1, hotRows: 1, coldBytes: 100, remaining: 0, spent };
  }

  compact({ force }) {
    const counts = { filesBefore: 3, filesAfter: 1, blocksBefore: 3, blocksAfter: 1 };
    const bytes = { bytesBefore: 300, bytesAfter: 200 };
    return { ran: force === true, merges: 1, remaining: 0, records: 9, ...counts, ...bytes, spent };
  }

  retain() {
    const files = { expiredFiles: 1, expiredRecords: 9, replacedFiles: 2, deletedBytes: 300 };
    return { ran: true, ...files, orphans: 0, lostFiles: 0, forgotten: 4, spent };
  }

  erase({ datasetId }) {
    if (datasetId === "busy") return { ok: false, reason: "archive-busy", retryAfterSeconds: 7 };
    return { ok: true, receipt: receipt(datasetId, datasetId === "large" ? "running" : "done") };
  }

  erasures() {
    return [receipt("airport:ATL", "done")];
  }

  verify({ cursor }) {
    if (cursor === "bad") {
      return {
        ok: false,
        reason: "invalid",
        faults: [{ path: "/cursor", message: "is not one of ours" }],
        faultCount: 1,
      };
    }
    const faults = [{ check: "sync-marker", subject: "flights/1.avro", detail: "is another one" }];
    return {
      ok: true,
      files: 1,
      blocks: 1,
      records: 1,
      bytes: 100,
      faults,
      faultCount: 1,
      nextCursor: "more",
    };
  }

  reindex(request) {
    if (request.step === "scan") {
      return { ok: true, step: "scan", objects: 1, faults: [], nextCursor: request.cursor ?? null };
    }
    const counts = { files: 1, blocks: 1, records: 1 };
    const before = { now: { files: 2, blocks: 2, records: 3 }, lost: { files: 1, records: 2 } };
    const left = { superseded: [], conflicts: [] };
    return { ok: true, step: "apply", applied: !request.dryRun, ...counts, ...before, ...left };
  }

  inspect({ key }) {
    if (key.endsWith(".txt")) return { fault: `${key} does not begin as an Avro file does` };
    if (!key.endsWith(".avro")) return null;
    const blocks = [{ start: 60, length: 40, records: 1, datasetId: null }];
    const schema = { fingerprint: "ab", schema: "{}", metadata: { "avro.codec": "deflate" } };
    return { key, size: 100, headerSize: 60, codec: "deflate", ...schema, records: 1, blocks };
  }

  deadLetters({ after, limit }) {
    const about = { datasetId: null, table: null, records: null, bytes: 3 };
    const letter = { id: (after ?? 0) + limit, receivedAt: 1000, reason: "is no message", ...about };
    return { letters: [letter], total: 2, next: letter.id };
  }

  replayDeadLetters(choice) {
    return { done: choice.all === true ? 2 : choice.ids.length, remaining: 0 };
  }

  purgeDeadLetters(choice) {
    return { done: choice.all === true ? 2 : choice.ids.length, remaining: 1 };
  }

  /** Does as it is told, and has no background work. */
  background({ rolloutId, phase, revision }) {
    return { rolloutId, phase, revision, accepted: true, series: [] };
  }

  stats() {
    return {
      hot: { rows: 0, records: 0, bytes: 0 },
      cold: { files: 0, blocks: 0, records: 0, bytes: 0 },
      replaced: { files: 0, bytes: 0 },
      lost: { files: 0, records: 0 },
      deadLetters: 0,
    };
  }

  health() {
    return { version: { id: "v", tag: "t" }, bindings: { DB: "ok" }, tables: TABLES };
  }

  tables() {
    return TABLES;
  }
}
