import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalCloud, startLocalCloud } from "../../src/index.ts";
import { temporaryDirectory, uploadForm } from "../harness.ts";
import { type Captured, fill, fillAll, pattern, readTrace, textAt, type TraceCall } from "./trace.ts";

/** Runs whatever the trace's bindings and triggers bring. */
const CODE = `export default {
  fetch: () => new Response("hub"),
  queue() {},
  scheduled() {},
};`;

const trace = readTrace(new URL("wrangler-4.164.0.json", import.meta.url));
const directory = temporaryDirectory();
const captured: Captured = new Map();
const refusals = new Map<string, string>();
let cloud: LocalCloud;

beforeAll(async () => {
  cloud = await startLocalCloud({ directory: join(directory.path, "cloud") });
  captured.set("account", cloud.accountId);
});
afterAll(async () => {
  await cloud.stop();
  directory[Symbol.dispose]();
});

function bodyOf({ body, text, form }: TraceCall): string | FormData | undefined {
  if (form !== undefined) {
    return uploadForm({
      code: CODE,
      metadata: Object.fromEntries(Object.entries(fillAll(form, captured) ?? {})),
    });
  }
  return text ?? (body === undefined ? undefined : JSON.stringify(fillAll(body, captured)));
}

function send(call: TraceCall): Promise<Response> {
  const path = fill(call.path, captured);
  const body = bodyOf(call);
  const headers = new Headers({
    authorization: `Bearer ${cloud.apiToken}`,
    "user-agent": `wrangler/${trace.wrangler}`,
  });
  if (call.type !== undefined) {
    headers.set("content-type", call.type);
  }
  return fetch(path.startsWith("http") ? path : `${cloud.apiUrl}${path}`, {
    method: call.method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
}

/** What wrangler expects of the answer to a call. */
function expected(call: TraceCall): Record<string, unknown> {
  const { method, path, status, headers = {} } = call;
  const answer = { call: `${method} ${path}`, status, headers };
  if (call.code !== undefined) {
    const errors = [{ code: call.code, message: pattern("$string", captured) }];
    return { ...answer, body: { success: false, errors, messages: [], result: null } };
  }
  if (call.result === undefined) {
    return answer;
  }
  const info = call.info === undefined ? {} : { result_info: pattern(call.info, captured) };
  const result = pattern(call.result, captured);
  return { ...answer, body: { success: true, errors: [], messages: [], result, ...info } };
}

/** Makes a call; the body is read as JSON where the trace expects an envelope. */
async function answered(call: TraceCall): Promise<Record<string, unknown>> {
  const response = await send(call);
  const text = await response.text();
  const isEnvelope = call.result !== undefined || call.code !== undefined;
  return {
    call: `${call.method} ${call.path}`,
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: isEnvelope ? (JSON.parse(text) as unknown) : text,
  };
}

function note(call: TraceCall, body: unknown): void {
  if (call.refused !== undefined) {
    refusals.set(`${call.method} ${call.path}`, call.refused);
  }
  for (const [name, path] of Object.entries(call.capture)) {
    captured.set(name, textAt(body, `result.${path}`));
  }
}

describe(`every call that wrangler ${trace.wrangler} makes is answered as it expects:`, () => {
  // The commands build on each other, as they do for a user.
  it.each(trace.steps)("wrangler $command", async ({ setup, calls }) => {
    for (const call of [...setup, ...calls]) {
      const answer = await answered(call);
      expect(answer).toMatchObject(expected(call));
      note(call, answer["body"]);
    }
  });
});

describe("the trace", () => {
  it("is whole: every command that was recorded, call by call", () => {
    const calls = trace.steps.flatMap((step) => step.calls);
    expect([trace.steps.length, calls.length]).toEqual([39, 133]);
  });

  it("has no call that the local cloud refuses but custom domains, and says why", () => {
    for (const [call, reason] of refusals) {
      process.stdout.write(`refused by design: ${call}: ${reason}\n`);
    }
    expect([...refusals.keys()].toSorted()).toEqual([
      "POST /accounts/{account}/workers/scripts/hub/domains/changeset?replace_state=true",
      "PUT /accounts/{account}/workers/scripts/hub/domains/records",
    ]);
  });

  it("leaves nothing that the local cloud does not know", async () => {
    const unknown: unknown = await (await fetch(new URL("/__local/unknown", cloud.apiUrl))).json();
    expect(unknown).toEqual([]);
  });
});
