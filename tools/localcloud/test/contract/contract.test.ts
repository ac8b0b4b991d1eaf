import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { API_PATH } from "../../src/api/app.ts";
import { ANY_KEY } from "../../src/api/request.ts";
import { TestApi } from "../harness.ts";
import { operationOf, operationsSchema } from "./operations.ts";

/** What the local cloud serves and the operation list lacks, with where it is known from. */
const UNDOCUMENTED: Readonly<Record<string, string>> = {
  "GET /accounts/{}/r2/buckets/{}/objects": "SDK 7.3.0, r2.buckets.objects.list",
  "GET /accounts/{}/r2/buckets/{}/objects/{}": "wrangler r2 object get; SDK 7.3.0",
  "PUT /accounts/{}/r2/buckets/{}/objects/{}": "wrangler r2 object put; SDK 7.3.0",
  "DELETE /accounts/{}/r2/buckets/{}/objects/{}": "wrangler r2 object delete; SDK 7.3.0",
  "GET /accounts/{}/workers/services/{}": "wrangler deploy, before everything else",
  "DELETE /accounts/{}/workers/services/{}": "wrangler delete",
  "GET /accounts/{}/workers/scripts/{}/references": "wrangler delete, without --force",
  "GET /accounts/{}/workers/tails/by-consumer/{}": "wrangler delete, without --force",
  "GET /accounts/{}/workers/scripts/{}/tails": "SDK 7.3.0, workers.scripts.tail.get",
  "PATCH /accounts/{}/workers/scripts/{}/secrets-bulk": "wrangler secret bulk; SDK 7.3.0",
  "PATCH /accounts/{}/workers/workers/{}/versions/latest": "wrangler versions secret bulk",
  "POST /accounts/{}/workers/scripts/{}/domains/changeset": "wrangler deploy, for custom domains",
  "PUT /accounts/{}/workers/scripts/{}/domains/records": "wrangler deploy, for custom domains",
  "GET /accounts/{}/workers/domains/records": "wrangler init --from-dash",
};

const api = new TestApi();
afterAll(() => api.close());

const file = new URL("operations.json", import.meta.url);
const documented = new Set(operationsSchema.parse(JSON.parse(readFileSync(file, "utf8"))).operations);
/** Middleware is registered for all methods; what answers is registered for one. */
const routes = api.app.routes.filter(
  ({ method, path }) => method !== "ALL" && path.startsWith(`${API_PATH}/`),
);
const served = new Set(routes.map(({ method, path }) => operationOf(method, path.slice(API_PATH.length))));

describe("every route of the API", () => {
  it("is an operation that Cloudflare documents, or is listed as one that it does not", () => {
    const unexplained = [...served].filter((call) => !documented.has(call) && !(call in UNDOCUMENTED));
    expect(unexplained).toEqual([]);
  });
});

describe("the list of undocumented operations", () => {
  const listed = Object.keys(UNDOCUMENTED);

  it("holds nothing that is documented", () => {
    expect(listed.filter((call) => documented.has(call))).toEqual([]);
  });

  it("holds nothing that is not served", () => {
    expect(listed.filter((call) => !served.has(call))).toEqual([]);
  });
});

describe("an operation", () => {
  it("is the same whatever its parameters are called, and however they match", () => {
    const documentedAs = operationOf(
      "get",
      "/accounts/{account_id}/storage/kv/namespaces/{id}/values/{key_name}",
    );
    const servedAs = operationOf(
      "GET",
      `/accounts/:account/storage/kv/namespaces/:namespace/values/${ANY_KEY}`,
    );
    expect(servedAs).toBe(documentedAs);
    expect(documented).toContain(servedAs);
  });
});
