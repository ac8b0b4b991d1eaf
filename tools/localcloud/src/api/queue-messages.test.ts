import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { TestApi } from "../../test/harness.ts";

let api: TestApi;
let path: string;
beforeEach(async () => {
  api = new TestApi();
  const schema = z.object({ queue_id: z.string() });
  const { queue_id } = await api.result(schema, "POST", "/queues", { queue_name: "ingest" });
  path = `/queues/${queue_id}/messages`;
});
afterEach(() => api.close());

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const sent = () =>
  api.runtime.sent.flatMap(({ messages }) =>
    messages.map(({ contentType, body, delaySeconds }) => [contentType, text(body), delaySeconds]),
  );

describe("a message sent over REST", () => {
  it("is JSON unless it says otherwise, text, or bytes in base64", async () => {
    await api.call("POST", path, { body: { at: 1 } });
    await api.call("POST", path, { body: null, content_type: "json" });
    await api.call("POST", path, { body: "plain", content_type: "text" });
    await api.call("POST", path, { body: "aGVsbG8=", content_type: "bytes", delay_seconds: 5 });
    expect(sent()).toEqual([
      ["json", '{"at":1}', undefined],
      ["json", "null", undefined],
      ["text", "plain", undefined],
      ["bytes", "hello", 5],
    ]);
  });

  it("is answered with the queue's backlog", async () => {
    expect((await api.call("POST", path, { body: "four", content_type: "text" })).result).toEqual({
      metadata: { metrics: { backlog_count: 1, backlog_bytes: 4, oldest_message_timestamp_ms: 1 } },
    });
  });

  it.each([
    ["no body", {}],
    ["a text that is none", { body: { a: 1 }, content_type: "text" }],
    ["bytes that are not base64", { body: "not base64!", content_type: "bytes" }],
    ["a type that does not exist over REST", { body: "x", content_type: "v8" }],
    ["a delay beyond a day", { body: "x", delay_seconds: 86_401 }],
  ])("is refused with %s", async (_what, message) => {
    expect(await api.refusal("POST", path, message)).toEqual([400, 11003]);
    expect(sent()).toEqual([]);
  });

  it("is refused beyond 128,000 bytes, in the platform's words", async () => {
    const answer = await api.call("POST", path, { body: "x".repeat(128_001), content_type: "text" });
    expect([answer.status, answer.errors]).toEqual([
      413,
      [{ code: 11003, message: "message length of 128001 bytes exceeds limit of 128000" }],
    ]);
  });

  it("needs a queue that is there", async () => {
    expect(await api.refusal("POST", "/queues/none/messages", { body: 1 })).toEqual([404, 11000]);
    expect(await api.refusal("POST", "/queues/none/messages/batch", {})).toEqual([404, 11000]);
  });
});

describe("a batch sent over REST", () => {
  it("has its own delay for messages that have none", async () => {
    const messages = [{ body: 1 }, { body: "two", content_type: "text", delay_seconds: 0 }];
    await api.call("POST", `${path}/batch`, { messages, delay_seconds: 60 });
    expect(sent()).toEqual([
      ["json", "1", 60],
      ["text", "two", 0],
    ]);
  });

  it("is refused as a whole when it is empty, too long or holds one bad message", async () => {
    const batch = (messages: unknown[]) => api.refusal("POST", `${path}/batch`, { messages });
    expect(await batch([])).toEqual([400, 11003]);
    expect(await batch(Array.from({ length: 101 }, () => ({ body: 1 })))).toEqual([413, 11003]);
    expect(await batch([{ body: 1 }, { body: 2, content_type: "text" }])).toEqual([400, 11003]);
    expect(sent()).toEqual([]);
  });
});
