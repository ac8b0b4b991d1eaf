import { describe, expect, it } from "vitest";
import { archiveService, EPOCH, TestArchiver, type TestRecord, useStorage } from "../../test/archiver.ts";
import { decodePage, FORMATS, minutes, pageOf } from "../../test/reads.ts";
import { asBuffer, registry as tables, type TableSchema } from "../tables/index.ts";
import { encodePage, streamOf } from "./body.ts";

useStorage();

describe("a page's body", () => {
  /** Chunks, and how many of them were asked for; `closed` when the rest is not wanted. */
  function counted(chunks: readonly (Uint8Array | Error)[]) {
    const state = { made: 0, closed: false };
    function* make(): Generator<Uint8Array> {
      try {
        for (const chunk of chunks) {
          state.made += 1;
          if (chunk instanceof Error) throw chunk;
          yield chunk;
        }
      } finally {
        state.closed = true;
      }
    }
    return { stream: streamOf(make()), state };
  }
  const chunk = (text: string) => new TextEncoder().encode(text);
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

  it("is made only as fast as it is read", async () => {
    const { stream, state } = counted([chunk("a"), chunk("b"), chunk("c")]);
    await settled();
    expect(state.made).toBe(0);
    const reader = stream.getReader();
    expect((await reader.read()).value).toEqual(chunk("a"));
    await settled();
    expect(state).toEqual({ made: 1, closed: false });
    expect((await reader.read()).value).toEqual(chunk("b"));
    expect((await reader.read()).value).toEqual(chunk("c"));
    expect((await reader.read()).done).toBe(true);
    expect(state).toEqual({ made: 3, closed: true });
  });

  it("can be read into a buffer of the reader's", async () => {
    const { stream } = counted([chunk("abc"), chunk("d")]);
    const reader = stream.getReader({ mode: "byob" });
    const texts: string[] = [];
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(2));
      if (done) break;
      texts.push(new TextDecoder().decode(value));
    }
    expect(texts.join("")).toBe("abcd");
  });

  it("lets go of everything when it is cancelled", async () => {
    const { stream, state } = counted([chunk("a"), chunk("b")]);
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(state).toEqual({ made: 1, closed: true });
  });

  it("ends with the error of a chunk, and is not taken for whole", async () => {
    const { stream } = counted([chunk("a"), new Error("damaged")]);
    const reader = stream.getReader();
    await reader.read();
    await expect(reader.read()).rejects.toThrow("damaged");
    const whole = counted([chunk("a"), new Error("damaged")]).stream;
    await expect(new Response(whole).text()).rejects.toThrow("damaged");
  });

  it("encodes about a chunk of records at a time", async () => {
    const schema = tables.newest("flights");
    if (schema === undefined) throw new Error("there is no table of flights");
    let decoded = 0;
    const counting: TableSchema = {
      ...schema,
      decode: (bytes) => {
        decoded += 1;
        return schema.decode(bytes);
      },
    };
    const registry = new Proxy(tables, {
      get: (target, name) => (name === "find" ? () => counting : Reflect.get(target, name).bind(target)),
    });
    const archiver = new TestArchiver({ registry });
    for (let n = 0; n < 4; n += 1) await new TestArchiver().store(minutes(2_000, { delay: n }));
    const page = pageOf(await archiver.readStream());
    expect(decoded).toBe(0);
    const reader = page.body.getReader();
    const { value } = await reader.read();
    expect(value?.length).toBeGreaterThanOrEqual(64 * 1024);
    expect(value?.length).toBeLessThan(65 * 1024);
    expect(decoded).toBeLessThan(1_000);
    await reader.cancel();
    await settled();
    expect(decoded).toBeLessThan(1_000);
  });

  it("of a record that cannot be decoded is an error in mid-stream", () => {
    const generic = tables.generic("battles");
    if (generic === undefined) throw new Error("there is no generic envelope");
    const broken = generic.type.toBuffer({ time: EPOCH, body: "no JSON" });
    const record = { schema: generic, bytes: asBuffer(broken) } as unknown as Parameters<
      typeof encodePage
    >[1][number];
    const chunks = encodePage({ format: "json", table: "battles" }, [record], tables, new Uint8Array(16));
    expect(() => chunks?.next()).toThrow("not JSON");
  });
});

describe("a page's body over RPC", () => {
  const request = { datasetId: "LAS", table: "flights", from: EPOCH, to: EPOCH + 9e9, limit: 10_000 };

  async function stored(): Promise<readonly TestRecord[]> {
    const records = minutes(8_000);
    const archiver = new TestArchiver();
    for (let n = 0; n < 8_000; n += 2_000) await archiver.store(records.slice(n, n + 2_000));
    return records;
  }

  it.each(FORMATS)("arrives whole as %s", async (format) => {
    const records = await stored();
    const page = pageOf(await archiveService().read({ ...request, format }));
    expect(await decodePage(page, format)).toEqual(records);
  });

  it("may be left unread, or cancelled, and the next page is answered", async () => {
    await stored();
    await archiveService().read({ ...request, format: "json" });
    const page = pageOf(await archiveService().read({ ...request, format: "json" }));
    const reader = page.body.getReader();
    await reader.read();
    await reader.cancel();
    const next = pageOf(await archiveService().read({ ...request, format: "json", limit: 1 }));
    expect(await new Response(next.body).json()).toEqual(minutes(1));
  });

  it("is not sent where the caller has it already", async () => {
    await stored();
    const page = pageOf(await archiveService().read({ ...request, format: "json", limit: 1 }));
    await page.body.cancel();
    expect(
      await archiveService().read({ ...request, format: "json", limit: 1, ifNoneMatch: page.etag ?? "" }),
    ).toEqual({
      ok: true,
      modified: false,
      etag: page.etag,
    });
  });
});
