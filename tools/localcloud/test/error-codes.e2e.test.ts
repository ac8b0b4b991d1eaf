import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalCloud, startLocalCloud } from "../src/index.ts";
import { HttpApi } from "./http-api.ts";
import { temporaryDirectory, uploadForm } from "./harness.ts";

const directory = temporaryDirectory();
let cloud: LocalCloud;
let api: HttpApi;
let database: string;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  api = new HttpApi(cloud);
  database = await api.field("uuid", "POST", "/d1/database", { name: "hub" });
  await api.field("id", "POST", "/storage/kv/namespaces", { title: "cache" });
  await api.field("deployment_id", "PUT", "/workers/scripts/hub", uploadForm());
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

type Call = readonly [method: string, path: string, body?: unknown];

interface Refusal {
  readonly code: number;
  readonly status: number;
  readonly says: RegExp;
  readonly why: string;
  /** The call that is refused, after what must have happened before it. */
  readonly call: () => Call | Promise<Call>;
}

const upload = (metadata: Record<string, unknown>, code?: string): FormData =>
  uploadForm({ metadata, ...(code === undefined ? {} : { code }) });

function tooLarge(): FormData {
  const form = uploadForm();
  const type = "application/octet-stream";
  form.set("big.bin", new File([new Uint8Array(randomBytes(11 * 1024 * 1024))], "big.bin", { type }));
  return form;
}

const REFUSALS: readonly Refusal[] = [
  {
    code: 10006,
    status: 404,
    says: /bucket does not exist/,
    why: "an R2 bucket is not there",
    call: () => ["GET", "/r2/buckets/none"],
  },
  {
    code: 10007,
    status: 404,
    says: /This Worker does not exist on your account/,
    why: "a Worker is not there",
    call: () => ["GET", "/workers/scripts/none/versions?deployable=true"],
  },
  {
    code: 10014,
    status: 400,
    says: /namespace with this account ID and title already exists/,
    why: "a KV namespace has that title",
    call: () => ["POST", "/storage/kv/namespaces", { title: "cache" }],
  },
  {
    code: 10021,
    status: 400,
    says: /ReferenceError: nothing is not defined/,
    why: "the code does not start",
    call: () => ["PUT", "/workers/scripts/hub", upload({}, "nothing(); export default {};")],
  },
  {
    code: 10021,
    status: 400,
    says: /^binding DB of type d1 must have a valid `id` specified$/,
    why: "a D1 binding has an id that is none",
    call: () => ["PUT", "/workers/scripts/hub", upload({ bindings: [{ type: "d1", name: "DB", id: "db" }] })],
  },
  {
    code: 10027,
    status: 413,
    says: /exceeded the size limit of 10 MiB/,
    why: "the bundle is too large",
    call: () => ["PUT", "/workers/scripts/hub", tooLarge()],
  },
  {
    code: 10057,
    status: 400,
    says: /^inherit binding 'SECRET' is invalid/,
    why: "a version inherits a binding that the one before it does not have",
    call: () => [
      "POST",
      "/workers/scripts/hub/versions?bindings_inherit=strict",
      upload({ bindings: [{ type: "inherit", name: "SECRET" }] }),
    ],
  },
  {
    code: 10090,
    status: 404,
    says: /This service does not exist on your account/,
    why: "a service is not there",
    call: () => ["GET", "/workers/services/none"],
  },
  {
    code: 10211,
    status: 400,
    says: /migrations cannot be applied by uploading a version/,
    why: "an upload that is not deployed brings a Durable Object class",
    call: () => [
      "POST",
      "/workers/scripts/hub/versions",
      upload(
        { migrations: { new_tag: "v1", new_sqlite_classes: ["A"] } },
        "export class A {}; export default {};",
      ),
    ],
  },
  {
    code: 10215,
    status: 400,
    says: /the latest version of your Worker isn't currently deployed/,
    why: "a secret is edited while the latest version is not deployed",
    call: async () => {
      await api.field("id", "POST", "/workers/scripts/hub/versions", uploadForm());
      return ["PUT", "/workers/scripts/hub/secrets", { name: "S", text: "x", type: "secret_text" }];
    },
  },
  {
    code: 10220,
    status: 400,
    says: /The following secrets have changed: S$/,
    why: "a rollback would change a secret",
    call: async () => {
      const id = await api.field("deployment_id", "PUT", "/workers/scripts/hub", uploadForm());
      const secret = { name: "S", text: "x", type: "secret_text" };
      await api.field("name", "PUT", "/workers/scripts/hub/secrets", secret);
      const version_id = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
      const versions = [{ version_id, percentage: 100 }];
      return ["POST", "/workers/scripts/hub/deployments", { strategy: "percentage", versions }];
    },
  },
  {
    code: 7404,
    status: 404,
    says: /could not be found/,
    why: "a D1 database is not there",
    call: () => ["POST", "/d1/database/11111111-1111-4111-8111-111111111111/query", { sql: "SELECT 1" }],
  },
  {
    code: 7500,
    status: 400,
    says: /near "SELEC": syntax error/,
    why: "SQL is refused by SQLite",
    call: () => ["POST", `/d1/database/${database}/query`, { sql: "SELEC 1" }],
  },
];

describe("a call that is refused names its cause by code:", () => {
  it.each(REFUSALS)("$code with $status when $why", async ({ code, status, says, call }) => {
    const answer = await api.call(...(await call()));
    expect(answer).toMatchObject({ status, success: false, result: null, errors: [{ code }] });
    expect(answer.errors[0]?.message).toMatch(says);
  });
});
