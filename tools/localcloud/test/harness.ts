import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { z } from "zod";
import { API_PATH, createApi } from "../src/api/app.ts";
import { Changes, type Control } from "../src/api/control.ts";
import { Store } from "../src/state/store.ts";
import { FakeRuntime } from "./fake-runtime.ts";

export const ACCOUNT = "0123456789abcdef0123456789abcdef";
export const TOKEN = "test-token";
/** The clock of the harness, in milliseconds UTC. */
export const NOW = Date.UTC(2026, 10, 20);

/** What every answer of the API is wrapped in. */
export const envelopeSchema = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })),
  messages: z.array(z.unknown()),
  result: z.unknown(),
  result_info: z.record(z.string(), z.unknown()).optional(),
});

/** An answer of the API: its status and its envelope. */
export type Answer = z.infer<typeof envelopeSchema> & { readonly status: number };

/** A Worker to upload. */
export interface TestUpload {
  readonly code?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A temporary directory that is removed when the scope ends. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "localcloud-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A form as wrangler uploads it. */
export function uploadForm({ code = "export default {}", metadata = {} }: TestUpload = {}): FormData {
  const form = new FormData();
  form.set(
    "metadata",
    JSON.stringify({ main_module: "index.js", compatibility_date: "2026-11-17", bindings: [], ...metadata }),
  );
  form.set("index.js", new File([code], "index.js", { type: "application/javascript+module" }));
  form.set("index.js.map", new File(["{}"], "index.js.map", { type: "application/source-map" }));
  return form;
}

/** The API over a fake data plane, called without a network. */
export class TestApi {
  readonly app: Hono;
  readonly control: Control;
  readonly runtime = new FakeRuntime();
  readonly log: string[] = [];
  stopRequests = 0;
  readonly #directory = temporaryDirectory();

  constructor() {
    const store = new Store(this.#directory.path);
    let port = 20_000;
    let tick = NOW;
    this.control = {
      store,
      runtime: this.runtime,
      changes: new Changes(store, this.runtime),
      accountId: ACCOUNT,
      apiToken: TOKEN,
      host: "127.0.0.1",
      log: (line) => this.log.push(line),
      now: () => tick++,
      freePort: async () => port++,
      requestStop: () => this.stopRequests++,
      unknownCalls: [],
    };
    this.app = createApi(this.control);
  }

  /** Sends a request to the account's part of the API and returns the raw response. */
  async raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const url = path.startsWith("/__local") ? path : `${API_PATH}/accounts/${ACCOUNT}${path}`;
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) {
      headers.set("authorization", `Bearer ${TOKEN}`);
    }
    return await this.app.request(`http://127.0.0.1${url}`, { ...init, method, headers });
  }

  /** Like `raw`; a body that is not a form is sent as JSON, and the answer must be an envelope. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const init: RequestInit =
      body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) };
    const response = await this.raw(method, path, init);
    return { status: response.status, ...envelopeSchema.parse(await response.json()) };
  }

  /** The result of a call that must succeed, parsed by `schema`. */
  async result<T>(schema: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call(method, path, body);
    if (!answer.success) {
      throw new Error(`${method} ${path}: ${JSON.stringify(answer.errors)}`);
    }
    return schema.parse(answer.result);
  }

  /** Status and first error code of a call that must fail. */
  async refusal(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<[status: number, code: number | undefined]> {
    const answer = await this.call(method, path, body);
    return [answer.status, answer.errors[0]?.code];
  }

  /** Uploads and deploys, as `wrangler deploy` does for a new Worker; returns the version's id. */
  async deploy(name: string, upload?: TestUpload): Promise<string> {
    const { deployment_id: id } = await this.result(
      z.object({ deployment_id: z.string() }),
      "PUT",
      `/workers/scripts/${name}?bindings_inherit=strict`,
      uploadForm(upload),
    );
    return [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join("-");
  }

  /** Uploads a version and does not deploy it; returns its id. */
  async uploadVersion(name: string, upload?: TestUpload): Promise<string> {
    const schema = z.object({ id: z.string() });
    const path = `/workers/scripts/${name}/versions?bindings_inherit=strict`;
    return (await this.result(schema, "POST", path, uploadForm(upload))).id;
  }

  /** Deploys versions in the given shares. */
  split(name: string, shares: Readonly<Record<string, number>>, query = ""): Promise<Answer> {
    return this.call("POST", `/workers/scripts/${name}/deployments${query}`, {
      strategy: "percentage",
      versions: Object.entries(shares).map(([version_id, percentage]) => ({ version_id, percentage })),
    });
  }

  close(): void {
    this.control.store.close();
    this.#directory[Symbol.dispose]();
  }
}
