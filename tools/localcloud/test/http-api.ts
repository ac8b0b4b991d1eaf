import { z } from "zod";
import type { LocalCloud } from "../src/index.ts";
import { type Answer, envelopeSchema } from "./harness.ts";

/** The API of a local cloud that runs, called over HTTP. */
export class HttpApi {
  readonly #cloud: LocalCloud;

  constructor(cloud: LocalCloud) {
    this.#cloud = cloud;
  }

  /** Sends a request to the account's part of the API. */
  raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${this.#cloud.apiToken}`);
    return fetch(`${this.#cloud.apiUrl}/accounts/${this.#cloud.accountId}${path}`, {
      ...init,
      method,
      headers,
    });
  }

  /** Like `raw`; a body that is not a form is sent as JSON, and the answer must be an envelope. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const init = body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) };
    const response = await this.raw(method, path, init);
    return { status: response.status, ...envelopeSchema.parse(await response.json()) };
  }

  /** A text field of the result of a call that must succeed. */
  async field(name: string, method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.call(method, path, body);
    if (!answer.success) {
      throw new Error(`${method} ${path}: ${JSON.stringify(answer.errors)}`);
    }
    return z.string().parse(z.record(z.string(), z.unknown()).parse(answer.result)[name]);
  }
}
