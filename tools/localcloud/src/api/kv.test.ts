import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

const namespaceSchema = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/), title: z.string() });
const ROUTE = "/storage/kv/namespaces";

let api: TestApi;
beforeEach(() => {
  api = new TestApi();
});
afterEach(() => api.close());

async function create(title: string): Promise<string> {
  return (await api.result(namespaceSchema, "POST", ROUTE, { title })).id;
}

describe("KV namespaces", () => {
  it("are created, read, renamed and deleted", async () => {
    const id = await create("cache");
    await api.call("PUT", `${ROUTE}/${id}`, { title: "cache-2" });
    expect(await api.result(namespaceSchema, "GET", `${ROUTE}/${id}`)).toEqual({ id, title: "cache-2" });
    expect((await api.call("DELETE", `${ROUTE}/${id}`)).success).toBe(true);
    expect(await api.refusal("GET", `${ROUTE}/${id}`)).toEqual([404, 10013]);
    expect(api.runtime.dropped).toEqual([`kv ${id}`]);
  });

  it("are created without touching what runs", async () => {
    await create("cache");
    expect(api.runtime.applied).toEqual([]);
  });

  it("have unique titles", async () => {
    await create("cache");
    const other = await create("other");
    expect(await api.refusal("POST", ROUTE, { title: "cache" })).toEqual([400, 10014]);
    expect(await api.refusal("PUT", `${ROUTE}/${other}`, { title: "cache" })).toEqual([400, 10014]);
  });

  it("are paged until an empty page", async () => {
    for (const title of ["c", "a", "b"]) {
      await create(title);
    }
    const page = async (number: number) => api.call("GET", `${ROUTE}?per_page=2&order=title&page=${number}`);
    const titles = z.array(namespaceSchema).transform((all) => all.map(({ title }) => title));
    const first = await page(1);
    expect(titles.parse(first.result)).toEqual(["a", "b"]);
    expect(first.result_info).toEqual({ page: 1, per_page: 2, count: 2, total_count: 3, total_pages: 2 });
    expect(titles.parse((await page(2)).result)).toEqual(["c"]);
    expect((await page(3)).result).toEqual([]);
  });

  it("refuse a missing title", async () => {
    expect(await api.refusal("POST", ROUTE, {})).toEqual([400, 10019]);
  });
});

describe("KV values", () => {
  let values: string;
  let id: string;
  beforeEach(async () => {
    id = await create("cache");
    values = `${ROUTE}/${id}/values`;
  });

  it("are raw bytes under a key that may hold slashes", async () => {
    await api.raw("PUT", `${values}/a%2Fb%20c`, { body: new Uint8Array([0, 255]) });
    const response = await api.raw("GET", `${values}/a%2Fb%20c`);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([0, 255]));
  });

  it("take metadata and a value as a form", async () => {
    const form = new FormData();
    form.set("value", "v");
    form.set("metadata", '{"m":1}');
    expect((await api.call("PUT", `${values}/k`, form)).success).toBe(true);
    expect((await api.call("GET", `${ROUTE}/${id}/metadata/k`)).result).toEqual({ m: 1 });
    expect(await (await api.raw("GET", `${values}/k`)).text()).toBe("v");
  });

  it("are listed by prefix, page by page", async () => {
    for (const key of ["a1", "a2", "b1"]) {
      await api.raw("PUT", `${values}/${key}`, { body: key });
    }
    const first = await api.call("GET", `${ROUTE}/${id}/keys?prefix=a&limit=1`);
    expect(first.result).toMatchObject([{ name: "a1" }]);
    const next = await api.call(
      "GET",
      `${ROUTE}/${id}/keys?prefix=a&cursor=${String(first.result_info?.["cursor"])}`,
    );
    expect(next).toMatchObject({ result: [{ name: "a2" }], result_info: { cursor: "" } });
  });

  it("are put, read and deleted in bulk", async () => {
    await api.call("PUT", `${ROUTE}/${id}/bulk`, [
      { key: "x", value: "eA==", base64: true },
      { key: "y", value: "yy" },
    ]);
    await api.call("DELETE", `${ROUTE}/${id}/bulk`, ["y"]);
    const read = await api.call("POST", `${ROUTE}/${id}/bulk/get`, { keys: ["x", "y"] });
    expect(read.result).toEqual({ values: { x: "x", y: null } });
  });

  it("may have line breaks in their keys", async () => {
    const key = encodeURIComponent("two\nlines");
    await api.raw("PUT", `${values}/${key}`, { body: "x" });
    expect(await (await api.raw("GET", `${values}/${key}`)).text()).toBe("x");
    expect((await api.call("DELETE", `${values}/${key}`)).success).toBe(true);
    expect(await api.refusal("GET", `${values}/${key}`)).toEqual([404, 10009]);
  });

  it("answer 404 for a key that is not there", async () => {
    expect(await api.refusal("GET", `${values}/none`)).toEqual([404, 10009]);
  });

  it("refuse a time to live below a minute, and a key beyond 512 bytes", async () => {
    expect(await api.refusal("PUT", `${values}/k?expiration_ttl=10`, "v")).toEqual([400, 10019]);
    expect(await api.refusal("PUT", `${values}/${"k".repeat(513)}`, "v")).toEqual([400, 10019]);
  });
});
