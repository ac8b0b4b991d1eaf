import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi, TOKEN } from "../../test/harness.ts";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.deploy("hub");
});
afterEach(() => api.close());

const LISTS: [path: string, code: number][] = [
  ["/storage/kv/namespaces", 10019],
  ["/d1/database", 7400],
  ["/queues", 11003],
  ["/workers/workers", 10001],
  ["/workers/scripts/hub/versions", 10001],
  ["/workers/durable_objects/namespaces", 10001],
];

describe("a list by page", () => {
  it.each(LISTS)("%s refuses a page that cannot be, with the product's code %i", async (path, code) => {
    for (const page of ["0", "-1", "1.5", "two", "", "1e3", "99999999999999999999"]) {
      for (const name of ["page", "per_page"]) {
        const query = `${name}=${page}`;
        expect([query, ...(await api.refusal("GET", `${path}?${query}`))]).toEqual([query, 400, code]);
      }
    }
    expect(await api.refusal("GET", `${path}?per_page=10001`)).toEqual([400, code]);
    expect(await api.refusal("GET", `${path}?page=7&per_page=100`)).toEqual([200, undefined]);
  });

  it("of the account's own is held to the same", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await api.app.request("http://127.0.0.1/client/v4/accounts?page=0", { headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ code: 7400, message: "Invalid request: page must be a whole number from 1 up, not '0'" }],
    });
  });
});

describe("a list by cursor", () => {
  it("refuses a length that cannot be", async () => {
    const namespace = z.object({ id: z.string() });
    const { id } = await api.result(namespace, "POST", "/storage/kv/namespaces", { title: "t" });
    await api.call("POST", "/r2/buckets", { name: "cold" });
    for (const length of ["0", "1001", "all"]) {
      expect(await api.refusal("GET", `/storage/kv/namespaces/${id}/keys?limit=${length}`)).toEqual([
        400, 10019,
      ]);
      expect(await api.refusal("GET", `/r2/buckets?per_page=${length}`)).toEqual([400, 10001]);
      expect(await api.refusal("GET", `/r2/buckets/cold/objects?per_page=${length}`)).toEqual([400, 10001]);
    }
  });

  it("refuses an order that it does not know", async () => {
    expect(await api.refusal("GET", "/storage/kv/namespaces?order=age")).toEqual([400, 10019]);
    expect(await api.refusal("GET", "/storage/kv/namespaces?direction=up")).toEqual([400, 10019]);
    expect(await api.refusal("GET", "/r2/buckets?direction=up")).toEqual([400, 10001]);
  });
});
