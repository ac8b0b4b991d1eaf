import { describe, expect, it } from "vitest";
import { captureLogs, testHub } from "../../test/hub.ts";
import { createHub } from "../app.ts";
import { PROBLEMS, problemType } from "../http/index.ts";

captureLogs();

type Json = Record<string, unknown>;
type Operation = Json & {
  operationId: string;
  tags: string[];
  responses: Record<string, Json>;
  security?: Json[];
};
interface Document {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Json; readonly securitySchemes: Json };
}

async function document(): Promise<Document> {
  return await (await testHub().fetch("/openapi.json")).json<Document>();
}

async function operations(): Promise<readonly (readonly [string, Operation])[]> {
  const { paths } = await document();
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
    ),
  );
}

/** Every `$ref` in a JSON value. */
function references(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) =>
    key === "$ref" && typeof part === "string" ? [part] : references(part),
  );
}

describe("GET /openapi.json", () => {
  it("is an OpenAPI 3.1 document", async () => {
    expect((await document()).openapi).toBe("3.1.0");
  });

  it("lists exactly the routes that the hub has", async () => {
    const routed = createHub()
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    const listed = (await operations()).map(([name]) => name);
    expect(listed.toSorted()).toEqual([...new Set(routed)].toSorted());
  });

  it("gives every operation a name of its own, a known tag, a summary, and answers with descriptions", async () => {
    const { tags } = await document();
    const known = tags.map(({ name }) => name);
    const all = await operations();
    expect(new Set(all.map(([, { operationId }]) => operationId)).size).toBe(all.length);
    for (const [, operation] of all) {
      expect(known).toContain(operation.tags[0]);
      expect(operation["summary"]).toEqual(expect.any(String));
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect(response["description"]).toEqual(expect.any(String));
      }
    }
  });

  it("says of every guarded operation that it may lack its secret", async () => {
    for (const [name, { responses, security }] of await operations()) {
      const lacks = JSON.stringify(responses["503"] ?? {}).includes("urn:strata:problem:not-configured");
      expect([name, lacks]).toEqual([name, security !== undefined]);
    }
  });

  it("refers to nothing that is not in it", async () => {
    const whole = await document();
    const found = new Set(references(whole));
    expect(found.size).toBeGreaterThan(10);
    for (const reference of found) {
      const [, ...path] = reference.split("/");
      const target = path.reduce<unknown>((value, name) => Reflect.get(Object(value), name), whole);
      expect([reference, typeof target]).toEqual([reference, "object"]);
    }
  });

  it("declares a path parameter wherever a path has one", async () => {
    for (const [name, operation] of await operations()) {
      const named = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const declared = ((operation["parameters"] ?? []) as Json[]).filter(
        (parameter) => parameter["in"] === "path",
      );
      expect(declared.map((parameter) => parameter["name"])).toEqual(named);
    }
  });

  it("names the credential of each guarded operation, and no other", async () => {
    const { components } = await document();
    for (const [name, { security = [] }] of await operations()) {
      const schemes = security.flatMap((item) => Object.keys(item));
      for (const scheme of schemes) expect(components.securitySchemes).toHaveProperty(scheme);
      const [method = "", path = ""] = name.split(" ");
      const answer = await testHub().fetch(path, { method });
      expect([name, answer.status === 401]).toEqual([name, schemes.length > 0]);
    }
  });
});

describe("a body in the document", () => {
  it("says what has to be there, and what may be left out", async () => {
    const { schemas } = (await document()).components;
    expect(schemas).toMatchObject({
      StartRolloutRequest: {
        required: ["release", "plan", "upTo", "rollback"],
        additionalProperties: false,
      },
      RollbackCommand: { required: ["reason"], properties: { phase: {}, force: { type: "boolean" } } },
      BufferRequest: { required: ["dataset_id", "table", "records"], additionalProperties: false },
    });
  });
});

describe("records in the document", () => {
  it("come and go in every form that they have", async () => {
    const { paths } = await document();
    const forms = ["application/json", "application/x-ndjson", "application/avro"];
    expect(paths["/buffer"]?.["post"]).toMatchObject({
      requestBody: { required: true, content: Object.fromEntries(forms.map((type) => [type, {}])) },
    });
    expect(Object.keys(Object(paths["/read"]?.["get"]?.responses["200"]?.["content"]))).toEqual(forms);
    const page = await (await testHub().fetch("/docs")).text();
    for (const type of forms.slice(1)) expect(page).toContain(`<code>${type}</code>`);
  });

  it("have where they belong in the query, when the body does not say it", async () => {
    const { paths } = await document();
    expect(paths["/buffer"]?.["post"]?.["parameters"]).toMatchObject([
      { name: "dataset_id", in: "query", required: false },
      { name: "table", in: "query", required: false },
      { name: "period_tag", in: "query", required: false },
      { name: "idempotency-key", in: "header", required: false },
    ]);
  });
});

describe("a period in the document", () => {
  it("says what it is made of and what it is, wherever it is named", async () => {
    const { paths, components } = await document();
    const pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$";
    const told = { pattern, description: expect.stringContaining("part of an object's key") as string };
    expect(components.schemas["BufferRequest"]).toMatchObject({ properties: { period_tag: told } });
    expect(paths["/buffer"]?.["post"]?.["parameters"]).toContainEqual(
      expect.objectContaining({ name: "period_tag", schema: expect.objectContaining({ pattern }) as object }),
    );
  });
});

describe("GET /docs", () => {
  it("shows every operation, schema and problem", async () => {
    const page = await (await testHub().fetch("/docs")).text();
    const { components } = await document();
    for (const [, { operationId }] of await operations()) expect(page).toContain(`id="${operationId}"`);
    for (const name of Object.keys(components.schemas)) expect(page).toContain(`id="schema-${name}"`);
    for (const kind of Object.keys(PROBLEMS)) expect(page).toContain(`urn:strata:problem:${kind}`);
    expect(page).toContain(problemType("invalid"));
  });

  it("leads nowhere that is not there", async () => {
    const page = await (await testHub().fetch("/docs")).text();
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  it("needs no script and loads nothing: its policy allows its own style only", async () => {
    const response = await testHub().fetch("/docs");
    const page = await response.text();
    const nonce = /style-src 'nonce-([^']+)'/.exec(
      response.headers.get("content-security-policy") ?? "",
    )?.[1];
    expect(response.headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; frame-ancestors 'none'`,
    );
    expect(page).toContain(`<style nonce="${nonce}">`);
    expect(page).not.toMatch(/<script|<iframe|<object|@import|url\(|\son\w+=|\sstyle=/i);
    const loaded = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address ?? "");
    expect(loaded.filter((address) => !address.startsWith("#")).toSorted()).toEqual([
      "/openapi.json",
      "data:,",
    ]);
    expect(page).not.toMatch(/\b(?:https?:)?\/\/\w/);
  });

  it("uses a new nonce for every answer", async () => {
    const policy = async () => (await testHub().fetch("/docs")).headers.get("content-security-policy");
    expect(await policy()).not.toBe(await policy());
  });
});
