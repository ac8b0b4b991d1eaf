import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

const ROUTE = "/r2/buckets";

let api: TestApi;
beforeEach(async () => {
  api = new TestApi();
  await api.call("POST", ROUTE, { name: "cold", storageClass: "Standard" });
});
afterEach(() => api.close());

describe("R2 buckets", () => {
  it("are created, read and listed", async () => {
    expect((await api.call("GET", `${ROUTE}/cold`)).result).toMatchObject({
      name: "cold",
      storage_class: "Standard",
    });
    expect((await api.call("GET", ROUTE)).result).toMatchObject({ buckets: [{ name: "cold" }] });
  });

  it("are listed by page", async () => {
    await api.call("POST", ROUTE, { name: "media" });
    const first = await api.call("GET", `${ROUTE}?per_page=1`);
    expect(first).toMatchObject({ result: { buckets: [{ name: "cold" }] }, result_info: { cursor: "cold" } });
    const next = await api.call("GET", `${ROUTE}?per_page=1&cursor=cold`);
    expect(next).toMatchObject({ result: { buckets: [{ name: "media" }] }, result_info: { cursor: "" } });
    const backwards = await api.call("GET", `${ROUTE}?per_page=1&direction=desc`);
    expect(backwards).toMatchObject({
      result: { buckets: [{ name: "media" }] },
      result_info: { cursor: "media" },
    });
    const last = await api.call("GET", `${ROUTE}?per_page=1&direction=desc&cursor=media`);
    expect(last).toMatchObject({ result: { buckets: [{ name: "cold" }] }, result_info: { cursor: "" } });
  });

  it("refuse a name that is taken, or that is none", async () => {
    expect(await api.refusal("POST", ROUTE, { name: "cold" })).toEqual([409, 10004]);
    expect(await api.refusal("POST", ROUTE, { name: "Not A Bucket" })).toEqual([400, 10005]);
  });

  it("are deleted only when empty", async () => {
    await api.raw("PUT", `${ROUTE}/cold/objects/a`, { body: "x" });
    expect(await api.refusal("DELETE", `${ROUTE}/cold`)).toEqual([409, 10008]);
    await api.call("DELETE", `${ROUTE}/cold/objects/a`);
    expect((await api.call("DELETE", `${ROUTE}/cold`)).success).toBe(true);
    expect(await api.refusal("GET", `${ROUTE}/cold`)).toEqual([404, 10006]);
    expect(api.runtime.dropped).toEqual(["r2 cold"]);
  });

  it("change their storage class", async () => {
    const headers = { "cf-r2-storage-class": "InfrequentAccess" };
    await api.raw("PATCH", `${ROUTE}/cold`, { headers });
    expect((await api.call("GET", `${ROUTE}/cold`)).result).toMatchObject({
      storage_class: "InfrequentAccess",
    });
  });
});

describe("lifecycle rules", () => {
  const rules = [
    {
      id: "expire-30d",
      enabled: true,
      conditions: { prefix: "" },
      deleteObjectsTransition: { condition: { type: "Age", maxAge: 2_592_000 } },
    },
  ];

  it("of a new bucket abort unfinished uploads after seven days", async () => {
    const schema = z.object({ rules: z.array(z.record(z.string(), z.unknown())) });
    const answer = await api.result(schema, "GET", `${ROUTE}/cold/lifecycle`);
    expect(answer.rules).toMatchObject([
      { abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 604_800 } } },
    ]);
  });

  it("are replaced as a whole and read back unchanged", async () => {
    expect((await api.call("PUT", `${ROUTE}/cold/lifecycle`, { rules })).success).toBe(true);
    expect((await api.call("GET", `${ROUTE}/cold/lifecycle`)).result).toEqual({ rules });
  });

  it("refuse a rule twice and an age that is none", async () => {
    expect(await api.refusal("PUT", `${ROUTE}/cold/lifecycle`, { rules: [...rules, ...rules] })).toEqual([
      400, 10001,
    ]);
    const wrong = [{ ...rules[0], deleteObjectsTransition: { condition: { type: "Age", maxAge: "soon" } } }];
    expect(await api.refusal("PUT", `${ROUTE}/cold/lifecycle`, { rules: wrong })).toEqual([400, 10001]);
  });

  it("take effect on a day that exists, written as RFC 3339", async () => {
    const put = (date: string) =>
      api.refusal("PUT", `${ROUTE}/cold/lifecycle`, {
        rules: [{ ...rules[0], deleteObjectsTransition: { condition: { type: "Date", date } } }],
      });
    expect(await put("2027-01-31T00:00:00.000Z")).toEqual([200, undefined]);
    expect(await put("2027-01-31T01:00:00+01:00")).toEqual([200, undefined]);
    for (const date of ["soon", "2027-02-30T00:00:00Z", "2027-01-31", "2027-13-01T00:00:00Z", ""]) {
      expect([date, ...(await put(date))]).toEqual([date, 400, 10001]);
    }
  });

  it("of a bucket that is not there are a 404", async () => {
    expect(await api.refusal("GET", `${ROUTE}/none/lifecycle`)).toEqual([404, 10006]);
  });
});

describe("R2 objects", () => {
  it("are put and read with their type under keys that hold slashes", async () => {
    await api.raw("PUT", `${ROUTE}/cold/objects/a/b/c.json`, {
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    const response = await api.raw("GET", `${ROUTE}/cold/objects/a/b/c.json`);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe("{}");
    expect((await api.call("GET", `${ROUTE}/cold/objects?prefix=a/`)).result).toMatchObject([
      { key: "a/b/c.json", size: 2 },
    ]);
  });

  it("may have line breaks in their keys", async () => {
    const key = encodeURIComponent("two\nlines\r\n");
    await api.raw("PUT", `${ROUTE}/cold/objects/${key}`, { body: "x" });
    expect(await (await api.raw("GET", `${ROUTE}/cold/objects/${key}`)).text()).toBe("x");
    expect((await api.call("GET", `${ROUTE}/cold/objects`)).result).toMatchObject([
      { key: "two\nlines\r\n" },
    ]);
    await api.call("DELETE", `${ROUTE}/cold/objects/${key}`);
    expect(await api.refusal("GET", `${ROUTE}/cold/objects/${key}`)).toEqual([404, 10007]);
  });

  it("answer 404 for a key that is not there", async () => {
    expect(await api.refusal("GET", `${ROUTE}/cold/objects/none`)).toEqual([404, 10007]);
  });
});
