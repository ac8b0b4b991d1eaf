import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flight } from "../../test/archiver.ts";
import { type Codec, OcfError, readFile, SYNC_BYTES } from "../ocf/index.ts";
import { registry } from "../tables/index.ts";
import { type CutBlock } from "./cut.ts";
import {
  type FileDraft,
  FileDraftError,
  FileWriter,
  HEADER_KEYS,
  MemorySink,
  type WrittenFile,
} from "./file.ts";
import { decodeRows, rowsOf } from "./rows.ts";

const flights = registry.newest("flights");
if (flights === undefined) throw new Error("there is no table of flights");
const schema = flights;

function block(datasetId: string, minutes: readonly number[]): CutBlock {
  const records = minutes.map((minute) => flight(minute));
  const times = records.map(({ time }) => time);
  return {
    datasetId,
    recordCount: records.length,
    minTime: times[0] ?? 0,
    maxTime: times.at(-1) ?? 0,
    records: Buffer.concat(records.map((record) => schema.type.toBuffer(record))),
  };
}

function draft(fields: Partial<FileDraft> = {}): FileDraft {
  return {
    schema,
    period: "2026_11_20",
    level: 0,
    generation: 0,
    rows: rowsOf([1, 2, 9]),
    datasets: [["LAS", 3]],
    retainedFrom: null,
    codec: "deflate",
    ...fields,
  };
}

/** The draft that promises exactly these blocks. */
function promising(blocks: readonly CutBlock[], fields: Partial<FileDraft> = {}): FileDraft {
  const datasets: [string, number][] = [];
  for (const { datasetId, recordCount } of blocks) {
    const last = datasets.at(-1);
    if (last?.[0] === datasetId) last[1] += recordCount;
    else datasets.push([datasetId, recordCount]);
  }
  return draft({ datasets, ...fields });
}

interface Written {
  readonly file: WrittenFile;
  readonly bytes: Buffer;
}

async function write(blocks: readonly CutBlock[], wanted: FileDraft, sync?: Uint8Array): Promise<Written> {
  const sink = new MemorySink();
  const writer = new FileWriter(wanted, sink, sync);
  for (const each of blocks) await writer.add(each);
  return { file: await writer.finish(), bytes: sink.bytes() };
}

const manyBlocks = fc
  .array(
    fc.tuple(fc.constantFrom("LAS", "OAK", "ü"), fc.array(fc.nat(2_000), { minLength: 1, maxLength: 8 })),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((items) =>
    items.map(([datasetId, minutes]) =>
      block(
        datasetId,
        minutes.toSorted((a, b) => a - b),
      ),
    ),
  );

const codecs = fc.constantFrom<Codec>("null", "deflate", "zstandard");

describe("a written file", () => {
  it("is what its index says: offsets, lengths, checksums, counts, size and digest", async () => {
    await fc.assert(
      fc.asyncProperty(manyBlocks, codecs, async (blocks, codec) => {
        const { file, bytes } = await write(blocks, promising(blocks, { codec }));
        const read = readFile(bytes);
        expect(file).toMatchObject({
          table: "flights",
          period: "2026_11_20",
          fingerprint: schema.fingerprint,
          codec,
          size: bytes.length,
          headerSize: read.header.size,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          sync: Buffer.from(read.header.sync).toString("hex"),
          recordCount: blocks.reduce((sum, { recordCount }) => sum + recordCount, 0),
          minTime: Math.min(...blocks.map(({ minTime }) => minTime)),
          maxTime: Math.max(...blocks.map(({ maxTime }) => maxTime)),
        });
        expect(read.header.codec).toBe(codec);
        expect(file.blocks).toEqual(
          read.blocks.map(({ start, length, recordCount }, index) => ({
            datasetId: blocks[index]?.datasetId,
            start,
            length,
            recordCount,
            crc32: crc32(bytes.subarray(start, start + length)),
            minTime: blocks[index]?.minTime,
            maxTime: blocks[index]?.maxTime,
          })),
        );
        expect(read.blocks.map(({ records }) => Buffer.from(records))).toEqual(
          blocks.map(({ records }) => records),
        );
      }),
    );
  });

  it("says in its header what it is", async () => {
    const blocks = [block("LAS", [1, 2]), block("LAS", [3]), block("OAK", [1])];
    const { bytes } = await write(blocks, promising(blocks, { level: 1, generation: 4, retainedFrom: 77 }));
    const { header } = readFile(bytes);
    const { [HEADER_KEYS.rows]: rows, ...others } = Object.fromEntries(header.metadata);
    expect(decodeRows(rows ?? "")).toEqual(rowsOf([1, 2, 9]));
    expect(others).toEqual({
      "strata.table": "flights",
      "strata.period": "2026_11_20",
      "strata.schema.sha256": schema.fingerprint,
      "strata.level": "1",
      "strata.generation": "4",
      "strata.datasets": '[["LAS",3],["OAK",1]]',
      "strata.retained_from": "77",
    });
    expect(header.schema).toBe(schema.json);
  });

  it("is the same for the same draft and blocks, with a marker that another draft does not have", async () => {
    const blocks = [block("LAS", [1, 2, 3])];
    const [one, same, other] = [
      await write(blocks, draft()),
      await write(blocks, draft()),
      await write(blocks, draft({ rows: rowsOf([1, 2, 8]) })),
    ];
    expect(same.bytes.equals(one.bytes)).toBe(true);
    expect(same.file).toEqual(one.file);
    expect(other.file.sync).not.toBe(one.file.sync);
  });

  it("takes a block of another file as it is, under its own marker", async () => {
    await fc.assert(
      fc.asyncProperty(manyBlocks, codecs, async (blocks, codec) => {
        const source = await write(blocks, promising(blocks, { codec }));
        const sync = Buffer.from(source.file.sync, "hex");
        const sink = new MemorySink();
        const wanted = promising(blocks, { codec, generation: 1, retainedFrom: 5 });
        const writer = new FileWriter(wanted, sink);
        for (const [index, place] of source.file.blocks.entries()) {
          const bytes = source.bytes.subarray(place.start, place.start + place.length);
          await writer.copy({ ...place, datasetId: blocks[index]?.datasetId ?? "" }, bytes, sync);
        }
        const copy = { file: await writer.finish(), bytes: sink.bytes() };
        expect(copy.file.sync).not.toBe(source.file.sync);
        const [before, after] = [readFile(source.bytes).blocks, readFile(copy.bytes).blocks];
        expect(after.map(({ records }) => Buffer.from(records))).toEqual(
          before.map(({ records }) => Buffer.from(records)),
        );
        expect(copy.file.blocks.map(({ length }) => length)).toEqual(
          source.file.blocks.map(({ length }) => length),
        );
        // What a writer makes of the records itself is the same, byte for byte.
        expect(copy).toEqual(await write(blocks, wanted));
      }),
      { numRuns: 30 },
    );
  });

  it("keeps the marker that it is told to keep", async () => {
    const sync = new Uint8Array(SYNC_BYTES).fill(7);
    const { file, bytes } = await write([block("LAS", [1, 2, 3])], draft(), sync);
    expect(file.sync).toBe("07".repeat(SYNC_BYTES));
    expect(readFile(bytes).header.sync).toEqual(Buffer.from(sync));
  });
});

describe("a file that is not what its header promises", () => {
  it.each([
    ["fewer records", [block("LAS", [1, 2])]],
    ["more records", [block("LAS", [1, 2, 3]), block("LAS", [4])]],
    ["another dataset", [block("OAK", [1, 2, 3])]],
    ["a dataset more", [block("LAS", [1, 2, 3]), block("OAK", [1])]],
    ["a dataset in two places", [block("LAS", [1]), block("OAK", [1]), block("LAS", [2, 3])]],
    ["no block", []],
  ])("is refused when it gets %s", async (_, blocks) => {
    await expect(write(blocks, draft())).rejects.toThrow(FileDraftError);
  });

  it("is refused when it is empty as promised: the index has no place for it", async () => {
    await expect(write([], draft({ datasets: [] }))).rejects.toThrow(FileDraftError);
  });
});

describe("a block to be copied", () => {
  async function source(): Promise<Written & { readonly sync: Buffer }> {
    const written = await write([block("LAS", [1, 2, 3])], draft());
    return { ...written, sync: Buffer.from(written.file.sync, "hex") };
  }

  const copying = async (bytes: Uint8Array, sync: Uint8Array, recordCount: number): Promise<void> => {
    const writer = new FileWriter(draft({ generation: 1 }), new MemorySink());
    await writer.copy({ datasetId: "LAS", recordCount, minTime: 0, maxTime: 0 }, bytes, sync);
  };

  it("is refused when its marker is another's", async () => {
    const { bytes, file } = await source();
    await expect(copying(bytes.subarray(file.headerSize), new Uint8Array(SYNC_BYTES), 3)).rejects.toThrow(
      OcfError,
    );
  });

  it("is refused when it counts other records than its index", async () => {
    const { bytes, file, sync } = await source();
    await expect(copying(bytes.subarray(file.headerSize), sync, 2)).rejects.toThrow(FileDraftError);
  });

  it("is refused when bytes follow it", async () => {
    const { bytes, file, sync } = await source();
    const longer = Buffer.concat([bytes.subarray(file.headerSize), Buffer.from([0])]);
    await expect(copying(longer, sync, 3)).rejects.toThrow(FileDraftError);
  });
});
