/**
 * The archive's scripts as an operator runs them: against a hub that answers
 * what a test says, and against the built Workers on a local cloud.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import avsc from "avsc";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { readFile as readOcf, writeFile as writeOcf } from "../archiver/src/ocf/index.ts";
import { byWorker, defaultSettings } from "../infra/topology.ts";
import { openArchive } from "./lib/archive/client.ts";
import { inspectLocal } from "./lib/archive/inspect.ts";
import type { Operator } from "./lib/archive/operator.ts";
import { archiveAll } from "./lib/archive/run.ts";
import { configName } from "./lib/environment.ts";
import { EXIT } from "./lib/exit.ts";
import { writeJson } from "./lib/json-file.ts";
import { localSecrets, writeLocalCloud } from "./lib/local-state.ts";
import { localStackDirectory, provisionLocal } from "./lib/provision.ts";
import { release } from "./lib/release/release.ts";
import { configDirectory, placeholderIds } from "./lib/render.ts";
import { FakeHub, problem } from "./lib/test/fake-hub.ts";
import { LocalRun, runScript, type Ended } from "./lib/test/local-run.ts";
import { planText, UNJUDGED } from "./lib/test/plans.ts";
import { temporaryDirectory } from "./lib/test/temporary.ts";
import { compareRecords } from "./rehearsal/compare.ts";
import { loadFlights, type Upload } from "./rehearsal/datasets.ts";
import { HubClient } from "./rehearsal/hub-client.ts";
import { queueDrained } from "./rehearsal/queue-drain.ts";

const root = path.resolve(import.meta.dirname, "..");

const run = (...args: readonly string[]): Promise<Ended> => runScript("archive", args);

/** The documents of `--json`. */
const documents = ({ stdout }: Ended): readonly unknown[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));

/** Leaves in a state directory what the scripts find a local environment by, with the fake hub as its hub. */
async function environmentOf(hub: FakeHub): Promise<string> {
  const directory = await temporaryDirectory();
  const configs = configDirectory(root, configName(root, "local", directory));
  onTestFinished(() => rm(configs, { recursive: true, force: true }));
  const ids = placeholderIds();
  const named = { id: "id", name: "name" };
  await writeLocalCloud(directory, {
    apiUrl: `${hub.url}/client/v4`,
    accountId: ids.accountId,
    apiToken: "api-token",
    urls: byWorker(() => hub.url),
    pid: process.pid,
  });
  await writeJson(path.join(localStackDirectory(directory), "outputs.json"), {
    engine: "none",
    provider: "none",
    outputs: {
      ...ids,
      r2: { media: "media", cold: "cold", backups: "backups" },
      queues: { ingest: named, "ingest-dlq": named },
      workers: byWorker(() => named),
      settings: defaultSettings("local"),
    },
  });
  return directory;
}

async function runAgainst(hub: FakeHub, ...args: readonly string[]): Promise<Ended> {
  const directory = await environmentOf(hub);
  return runScript("archive", [...args, "--env", "local"], { env: { STRATA_STATE_DIRECTORY: directory } });
}

const page = (faultCount: number) => ({
  body: {
    files: 1,
    blocks: 2,
    records: 3,
    bytes: 400,
    faults: faultCount === 0 ? [] : [{ check: "block", subject: "flights/a.avro", detail: "block 2" }],
    faultCount,
    nextCursor: null,
  },
});

const EXPORT = ["export", "--env", "local", "--dataset", "a", "--table", "t"];

describe("arguments", () => {
  it.each([
    ["no command", []],
    ["an unknown command", ["defrost", "--env", "local"]],
    ["no environment", ["verify"]],
    ["an export without a file", ["export", "--env", "local", "--dataset", "a", "--table", "t"]],
    ["a format that there is not", ["export", "--env", "local", "--format", "xml"]],
    ["dead letters that are not chosen", ["dead-letters", "purge", "--env", "local"]],
    ["dead letters chosen twice", ["dead-letters", "purge", "--all", "--id", "1", "--env", "local"]],
    ["an erasure that nobody can confirm", ["erase", "--dataset", "a", "--env", "local"]],
    ["a reindexing of production that nobody can confirm", ["reindex", "--env", "production"]],
    ["a reindexing of staging that nobody can confirm", ["reindex", "--env", "staging"]],
    ["an Avro file on stdout", [...EXPORT, "--output", "-", "--format", "ocf"]],
  ])("end with code 2 for %s", async (_, args) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect([exitCode, stdout]).toEqual([EXIT.usage, ""]);
    expect(stderr).not.toBe("");
  });
});

describe("archive:verify", () => {
  it("ends with code 0 where there is no fault", async () => {
    const hub = (await FakeHub.start()).on("POST /admin/archive/verify", page(0));
    const ended = await runAgainst(hub, "verify", "--quick", "--json");
    expect(ended).toMatchObject({
      exitCode: EXIT.ok,
      stderr: expect.stringContaining("No fault in 1 files"),
    });
    expect(documents(ended)).toEqual([
      {
        type: "result",
        depth: "index",
        files: 1,
        blocks: 2,
        records: 3,
        bytes: 400,
        faultCount: 0,
        faults: [],
      },
    ]);
  });

  it("ends with code 1 where there is one, and its document holds the fault", async () => {
    const hub = (await FakeHub.start()).on("POST /admin/archive/verify", page(1));
    const ended = await runAgainst(hub, "verify", "--json");
    expect(ended.exitCode).toBe(EXIT.failed);
    expect(ended.stderr).toContain("block  flights/a.avro: block 2");
    expect(ended.stderr).toContain("npm run archive:inspect -- --env local");
    expect(documents(ended)).toMatchObject([
      { type: "error", exitCode: 1, depth: "full", faultCount: 1, faults: [{ check: "block" }] },
    ]);
  });

  it("ends with code 4 when the hub does not take the token, and never prints it", async () => {
    const hub = (await FakeHub.start()).on("POST /admin/archive/verify", problem(401, "unauthenticated"));
    const ended = await runAgainst(hub, "verify");
    expect(ended.exitCode).toBe(EXIT.credentials);
    const [asked] = hub.requests;
    expect(asked?.token).toMatch(/^\S{20,}$/);
    expect(ended.stdout + ended.stderr).not.toContain(asked?.token);
  });
});

describe("archive:inspect", () => {
  it("of a local file needs no environment", async () => {
    const file = path.join(await temporaryDirectory(), "flights.avro");
    await writeFile(file, "Obj");
    const damaged = await run("inspect", file, "--json");
    expect(damaged.exitCode).toBe(EXIT.failed);
    expect(documents(damaged)).toMatchObject([{ type: "error", fault: "not-ocf" }]);
    const header = {
      schema: '"long"',
      codec: "null",
      metadata: new Map(),
      sync: new Uint8Array(16),
    } as const;
    await writeFile(file, writeOcf(header, [{ recordCount: 3, records: Uint8Array.of(2, 4, 6) }]).bytes);
    const sound = await run("inspect", file, "--json");
    expect(sound.exitCode).toBe(EXIT.ok);
    expect(documents(sound)).toMatchObject([{ type: "result", key: file, records: 3, codec: "null" }]);
  });
});

describe("archive:export", () => {
  it("reads with the API key and writes the file", async () => {
    const hub = (await FakeHub.start()).on("GET /read", { body: Buffer.from('{"delay":1}\n') });
    const directory = await environmentOf(hub);
    const output = path.join(directory, "atl.ndjson");
    const what = ["--dataset", "ATL", "--table", "flights", "--format", "ndjson", "--output", output];
    const ended = await runScript("archive", ["export", "--env", "local", ...what], {
      env: { STRATA_STATE_DIRECTORY: directory },
    });
    expect(ended).toMatchObject({
      exitCode: EXIT.ok,
      stderr: expect.stringContaining("1 records, 12 bytes"),
    });
    expect(await readFile(output, "utf8")).toBe('{"delay":1}\n');
    const secrets = await localSecrets(directory, []);
    expect(hub.requests.map(({ token }) => token)).toEqual([secrets["BOOTSTRAP_API_KEY"]]);
  });
});

describe("archive:erase", () => {
  it("prints the receipt", async () => {
    const receipt = {
      id: "e-1",
      datasetId: "ATL",
      state: "done",
      requestedAt: 0,
      completedAt: 1,
      hotRows: 0,
      hotRecords: 0,
      coldBlocks: 1,
      coldRecords: 2,
      deadLetters: 0,
      filesRewritten: 1,
      filesDeleted: 0,
      filesLeft: 0,
      bytesBefore: 10,
      bytesAfter: 5,
    };
    const hub = (await FakeHub.start()).on("DELETE /admin/datasets/ATL", { body: receipt });
    const ended = await runAgainst(hub, "erase", "--dataset", "ATL", "--yes", "--json");
    expect(ended).toMatchObject({ exitCode: EXIT.ok, stderr: expect.stringContaining("receipt       e-1") });
    expect(documents(ended)).toEqual([{ type: "result", receipt }]);
  });
});

const LETTER = { receivedAt: 0, reason: "poison", datasetId: null, table: null, records: null, bytes: 9 };

describe("archive:dead-letters", () => {
  it("takes several ids", async () => {
    const hub = (await FakeHub.start())
      .on("POST /admin/dead-letters/replay", { body: { done: 2, remaining: 0 } })
      .on("GET /admin/dead-letters", {
        body: { letters: [4, 7].map((id) => ({ ...LETTER, id })), total: 3, next: null },
      });
    const ended = await runAgainst(hub, "dead-letters", "replay", "--id", "4", "7");
    expect(ended).toMatchObject({
      exitCode: EXIT.ok,
      stderr: expect.stringContaining("2 sent back; 3 are left in all"),
    });
    expect(hub.bodies("POST /admin/dead-letters/replay")).toEqual([{ ids: [4, 7] }]);
  });
});

/** Tenants of the local archive. */
const TENANTS = 12;
const RECORD = z.record(z.string(), z.unknown());

describe("on a local cloud", () => {
  let local: LocalRun;
  let client: HubClient;
  let operator: Operator;
  let uploads: readonly Upload[];

  beforeAll(async () => {
    local = await LocalRun.start();
    const { context } = local;
    await release(context, "all");
    const { clock, signal } = context;
    operator = { archive: await openArchive(context, () => {}), clock, signal, tell: () => {} };
    client = new HubClient((await context.url("hub")) ?? "", context.secrets["BOOTSTRAP_API_KEY"] ?? "");
    uploads = (await loadFlights()).slice(0, TENANTS);
    // In two runs, so that there is something to merge.
    for (const half of [0, 1]) {
      await archive(
        uploads.map((upload) => ({
          ...upload,
          records: upload.records.filter((_, index) => index % 2 === half),
        })),
      );
    }
  });

  afterAll(async () => {
    client.close();
    await local.stop();
  });

  async function archive(parts: readonly Upload[]): Promise<number> {
    for (const part of parts) await client.upload(part);
    const { topology, clock, signal } = local.context;
    await queueDrained(local.cloud.apiUrl, topology.queues.ingest.name, clock, signal);
    return (await archiveAll(operator)).records;
  }

  const script = (...args: readonly string[]): Promise<Ended> => local.script("archive", args);
  const file = (name: string): string => path.join(local.directory, name);
  const first = (): Upload => {
    const [upload] = uploads;
    if (upload === undefined) throw new Error("there are no flights");
    return upload;
  };

  async function exportOf({ datasetId, table }: Upload, format: string, output: string): Promise<Ended> {
    return script("export", "--dataset", datasetId, "--table", table, "--format", format, "--output", output);
  }

  /** The objects of the archive, behind the archiver's back. */
  function objects(key?: string): string {
    const { apiUrl, accountId } = local.cloud;
    const base = `${apiUrl}/accounts/${accountId}/r2/buckets/${local.context.topology.r2.cold.name}/objects`;
    return key === undefined ? base : `${base}/${key.split("/").map(encodeURIComponent).join("/")}`;
  }
  const authorization = (): Record<string, string> => ({ authorization: `Bearer ${local.cloud.apiToken}` });

  async function keys(): Promise<readonly string[]> {
    const answer = await fetch(objects(), { headers: authorization() });
    const list = z.object({ result: z.array(z.object({ key: z.string() })) }).parse(await answer.json());
    return list.result.map(({ key }) => key);
  }

  async function download(key: string): Promise<Buffer> {
    return Buffer.from(await (await fetch(objects(key), { headers: authorization() })).arrayBuffer());
  }

  it("verify finds no fault in what was archived", async () => {
    const ended = await script("verify", "--json");
    expect(ended.exitCode).toBe(EXIT.ok);
    const records = uploads.reduce((sum, upload) => sum + upload.records.length, 0);
    expect(documents(ended)).toMatchObject([{ faultCount: 0, records }]);
  });

  it("inspect says the same of an object and of its copy on the disk", async () => {
    const [key = ""] = await keys();
    const copy = file("copy.avro");
    await writeFile(copy, await download(key));
    const [remote] = documents(await script("inspect", key, "--json"));
    const { key: _, ...report } = await inspectLocal(copy);
    expect(remote).toEqual({ type: "result", key, ...report });
    expect(report.fingerprint).toBe(report.metadata["strata.schema.sha256"]);
    expect(report.blocks.map(({ datasetId }) => datasetId)).not.toContain(null);
  });

  it("export writes every record of a tenant, as lines of JSON and as an Avro file", async () => {
    const upload = first();
    const lines = file("out.ndjson");
    expect((await exportOf(upload, "ndjson", lines)).exitCode).toBe(EXIT.ok);
    const text = (await readFile(lines, "utf8")).trimEnd().split("\n");
    const read = text.map((line) => RECORD.parse(JSON.parse(line)));
    expect(compareRecords(upload.records, read)).toMatchObject({ lost: 0, doubled: 0 });

    const ocf = file("out.avro");
    expect((await exportOf(upload, "ocf", ocf)).exitCode).toBe(EXIT.ok);
    const { header, blocks } = readOcf(await readFile(ocf));
    const records = avsc.Type.forSchema({ type: "array", items: JSON.parse(header.schema) });
    const decoded = blocks.flatMap(({ recordCount, records: bytes }): unknown[] =>
      // An Avro array: a count, the items, an empty block.
      records.fromBuffer(Buffer.concat([longOf(recordCount), bytes, longOf(0)])),
    );
    const plain = z.array(RECORD).parse(JSON.parse(JSON.stringify(decoded)));
    expect(compareRecords(upload.records, plain)).toMatchObject({ lost: 0, doubled: 0 });
  });

  it("compact merges the files of two runs, and verify finds no fault afterwards", async () => {
    const { cold: before } = await operator.archive.stats();
    expect((await script("compact", "--force")).exitCode).toBe(EXIT.ok);
    const { cold: after } = await operator.archive.stats();
    expect(after.files).toBeLessThan(before.files);
    expect(after.records).toBe(before.records);
    expect((await script("verify")).exitCode).toBe(EXIT.ok);
  });

  it("reindex makes the same index again from the bucket alone", async () => {
    const { cold: before } = await operator.archive.stats();
    const dry = await script("reindex", "--dry-run", "--json");
    expect(documents(dry).at(-1)).toMatchObject({ type: "result", applied: false, records: before.records });
    expect((await script("reindex")).exitCode).toBe(EXIT.ok);
    expect((await operator.archive.stats()).cold).toEqual(before);
    expect((await script("verify")).exitCode).toBe(EXIT.ok);
  });

  it("retain clears away and keeps what is read", async () => {
    expect((await script("retain")).exitCode).toBe(EXIT.ok);
    const { table, datasetId, records } = first();
    expect(compareRecords(records, (await client.readAll(table, datasetId)).records)).toMatchObject({
      lost: 0,
      doubled: 0,
    });
  });

  it("erase leaves nothing of one tenant and everything of the next", async () => {
    const [erased, next] = uploads;
    if (erased === undefined || next === undefined) throw new Error("there are no flights");
    const ended = await script("erase", "--dataset", erased.datasetId, "--yes", "--json");
    expect(ended.exitCode).toBe(EXIT.ok);
    expect(documents(ended)).toMatchObject([{ receipt: { state: "done", datasetId: erased.datasetId } }]);
    expect((await client.readAll(erased.table, erased.datasetId)).records).toEqual([]);
    const { records } = await client.readAll(next.table, next.datasetId);
    expect(compareRecords(next.records, records)).toMatchObject({ lost: 0, doubled: 0 });
    expect((await exportOf(erased, "ocf", file("erased.avro"))).stderr).toContain("No records");
    expect((await script("verify")).exitCode).toBe(EXIT.ok);
  });

  it("dead-letters lists that there are none", async () => {
    const ended = await script("dead-letters", "list", "--json");
    expect(documents(ended)).toEqual([{ type: "result", letters: [], total: 0 }]);
  });

  it("a hot window that the stack sets keeps records in D1 once the archiver is released with it", async () => {
    const settings = { ...defaultSettings("local"), hotWindowSeconds: 3_600 };
    await provisionLocal({ ...local.stack, engine: "find", settings });
    const plan = path.join(local.directory, "unjudged.plan.ts");
    await writeFile(plan, planText(UNJUDGED));
    expect((await local.script("release", ["archiver", "--plan", plan])).exitCode).toBe(EXIT.ok);
    const { datasetId, table, records } = first();
    expect(await archive([{ datasetId, table, records: records.slice(0, 5) }])).toBe(0);
    expect((await operator.archive.stats()).hot.records).toBe(5);
  });

  it("verify names an object that was damaged, and ends with code 1", async () => {
    const { blocks: cold } = (await operator.archive.stats()).cold;
    expect(cold).toBeGreaterThan(0);
    for (const key of await keys()) {
      const bytes = await download(key);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 40) ^ 1, bytes.length - 40);
      await fetch(objects(key), { method: "PUT", headers: authorization(), body: new Uint8Array(bytes) });
    }
    const ended = await script("verify", "--json");
    expect(ended.exitCode).toBe(EXIT.failed);
    const [{ faults }] = z
      .tuple([z.object({ faults: z.array(z.object({ subject: z.string() })).min(1) })])
      .parse(documents(ended));
    const known = await keys();
    expect(faults.filter(({ subject }) => !known.some((key) => subject.startsWith(key)))).toEqual([]);
  });
});

/** Avro's long of a small number that is not negative. */
function longOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
