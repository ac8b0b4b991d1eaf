import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TestClock } from "../../../test/hub.ts";
import { Observation } from "./observation.ts";
import type { Delta } from "./tally.ts";
import { Upload } from "./upload.ts";

const OVERDUE_MS = 3_000;
const OK = new Response("ok", { headers: { "content-type": "text/plain" } });
const FAILED = new Response(null, { status: 500 });
const NO_NUMBERS = new Map<string, number>();

let clock: TestClock;
let deltas: Delta[];

function observeOf(request: Request, fallsBack = false) {
  const upload = new Upload(request, clock);
  const note = (delta: Delta) => deltas.push(delta);
  const observation = new Observation({ clock, request, upload, overdueMs: OVERDUE_MS, fallsBack, note });
  return { observation, upload };
}

function observe(fallsBack = false): Observation {
  return observeOf(new Request("https://hub.example/"), fallsBack).observation;
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await vi.advanceTimersByTimeAsync(ms);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  clock = new TestClock();
  deltas = [];
});
afterEach(() => {
  vi.useRealTimers();
});

describe("an observation", () => {
  it("counts an answer with its time to the head, kind and numbers, and leaves no timer behind", async () => {
    const observation = observe();
    await pass(120);
    const numbers = new Map([["records_read", 7]]);
    observation.began(OK, numbers);
    expect(deltas).toEqual([{ requests: 1, latencyMs: 120, answer: "any → 2xx text/plain", numbers }]);
    expect(vi.getTimerCount()).toBe(0);
    expect(await observation.over).toBe("ended");
  });

  it("counts a request as overdue when it becomes it, and not before", async () => {
    const observation = observe();
    await pass(OVERDUE_MS - 1);
    expect(deltas).toEqual([]);
    await pass(1);
    expect(deltas).toEqual([{ requests: 1, overdue: 1 }]);
    expect(await observation.over).toBe("overdue");
  });

  it("adds the answer of an overdue request without counting the request again", async () => {
    const observation = observe();
    await pass(5_000);
    observation.began(FAILED, NO_NUMBERS);
    expect(deltas.slice(1)).toEqual([
      { errors: 1, latencyMs: 5_000, answer: "any → 5xx none", numbers: NO_NUMBERS },
    ]);
  });

  it("counts an overdue one that fell back when the other lane was quicker, and nothing that comes later", async () => {
    const observation = observe(true);
    await pass(OVERDUE_MS);
    expect(await observation.over).toBe("overdue");
    observation.began(FAILED, NO_NUMBERS);
    observation.failed();
    expect(deltas).toEqual([]);
    await pass(OVERDUE_MS);
    observation.stoodIn(true);
    expect(deltas).toEqual([{ requests: 1, overdue: 1, fallbacks: 1, latencyMs: OVERDUE_MS, proven: true }]);
  });

  it.each([
    ["takes longer than that as well", OVERDUE_MS + 1, true],
    ["fails", 0, false],
  ])("blames no lane for an overdue read when the other lane %s", async (_what, ms, well) => {
    const observation = observe(true);
    await pass(OVERDUE_MS);
    await pass(ms);
    observation.stoodIn(well);
    expect(deltas).toEqual([{ requests: 1, fallbacks: 1 }]);
  });

  it("counts a failure that falls back when the other lane has answered, in one step", () => {
    const observation = observe(true);
    observation.began(FAILED, NO_NUMBERS);
    expect(deltas).toEqual([]);
    observation.stoodIn(true);
    expect(deltas).toEqual([
      {
        requests: 1,
        errors: 1,
        answer: "any → 5xx none",
        latencyMs: 0,
        numbers: NO_NUMBERS,
        fallbacks: 1,
        proven: true,
      },
    ]);
  });

  it("blames no lane for what both fail", () => {
    const observation = observe(true);
    observation.failed();
    observation.stoodIn(false);
    expect(deltas).toEqual([{ requests: 1, fallbacks: 1 }]);
  });

  it("takes no time from a throw, but the time of a wait that was given up", async () => {
    observe().failed();
    const waited = observe();
    clock.advance(30_000);
    waited.failed(true);
    expect(deltas).toEqual([
      { requests: 1, errors: 1, exceptions: 1 },
      { requests: 1, errors: 1, exceptions: 1, latencyMs: 30_000 },
    ]);
  });

  it("counts a body that breaks off as an error, unless its answer was one already", () => {
    const fine = observe();
    fine.began(OK, NO_NUMBERS);
    fine.brokeOff();
    const failed = observe();
    failed.began(FAILED, NO_NUMBERS);
    failed.brokeOff();
    expect([deltas[1], deltas[3]]).toEqual([{ errors: 1, exceptions: 1 }, { exceptions: 1 }]);
  });

  it("is one request whatever happens and when, with no more errors than requests, nor exceptions than errors", async () => {
    const head = fc.constantFrom("ok", "failed", "threw", "gave-up", "never");
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.nat(6_000),
        head,
        fc.boolean(),
        fc.boolean(),
        async (fallsBack, ms, kind, breaks, standsIn) => {
          deltas = [];
          const observation = observe(fallsBack);
          await pass(ms);
          if (kind === "ok") observation.began(OK, NO_NUMBERS);
          if (kind === "failed") observation.began(FAILED, NO_NUMBERS);
          if (kind === "threw") observation.failed();
          if (kind === "gave-up") observation.failed(true);
          if (breaks && kind === "ok") observation.brokeOff();
          await pass(OVERDUE_MS);
          if (fallsBack && (await Promise.race([observation.over, "waits"])) !== "waits") {
            observation.stoodIn(standsIn);
          }
          const sum = (of: (delta: Delta) => number | undefined) =>
            deltas.reduce((total, delta) => total + (of(delta) ?? 0), 0);
          const errors = sum((delta) => delta.errors);
          const overdue = sum((delta) => delta.overdue);
          expect(sum((delta) => delta.requests)).toBe(1);
          expect(errors).toBeLessThanOrEqual(1);
          expect(sum((delta) => delta.exceptions)).toBeLessThanOrEqual(errors);
          const isLate = ms >= OVERDUE_MS || kind === "never";
          expect(overdue).toBe(isLate && (standsIn || !fallsBack) ? 1 : 0);
          expect(sum((delta) => delta.fallbacks)).toBeLessThanOrEqual(fallsBack ? 1 : 0);
          expect(deltas.filter(({ latencyMs }) => latencyMs !== undefined).length).toBeLessThanOrEqual(1);
          expect(vi.getTimerCount()).toBe(0);
        },
      ),
    );
  });
});

/** A request whose body the test sends, as the lane reads it. */
function uploading() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const request = new Request("https://hub.example/buffer", { method: "POST", body: readable });
  return { ...observeOf(request), writer: writable.getWriter() };
}

describe("an observation of an upload", () => {
  it("begins its time with the end of the body, however long the client took", async () => {
    const { observation, upload, writer } = uploading();
    const read = upload.request().arrayBuffer();
    await pass(2 * OVERDUE_MS);
    await writer.write(Uint8Array.of(1));
    await pass(2 * OVERDUE_MS);
    await writer.close();
    await read;
    expect(deltas).toEqual([]);
    await pass(OVERDUE_MS - 1);
    observation.began(OK, NO_NUMBERS);
    expect(deltas).toMatchObject([{ requests: 1, latencyMs: OVERDUE_MS - 1 }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is overdue when the body is there, and also when the lane does not read it", async () => {
    const { upload, writer } = uploading();
    const read = upload.request().arrayBuffer();
    await writer.close();
    await read;
    await pass(OVERDUE_MS);
    uploading();
    await pass(OVERDUE_MS);
    expect(deltas).toEqual([
      { requests: 1, overdue: 1 },
      { requests: 1, overdue: 1 },
    ]);
  });

  it("bounds the time of an answer that comes while the body does not", async () => {
    const { observation, upload } = uploading();
    void upload.request().arrayBuffer();
    await pass(20 * OVERDUE_MS);
    observation.began(OK, NO_NUMBERS);
    expect(deltas).toMatchObject([{ requests: 1, latencyMs: OVERDUE_MS }]);
  });

  it.each(["answer", "failure", "throw"])(
    "that broke off blames no lane: its %s is a request only",
    async (end) => {
      const { observation, upload, writer } = uploading();
      const read = upload.request().arrayBuffer();
      await writer.abort(new Error("Network connection lost."));
      await expect(read).rejects.toThrow(/./);
      if (end === "answer") observation.began(OK, NO_NUMBERS);
      if (end === "failure") observation.began(FAILED, NO_NUMBERS);
      if (end === "throw") observation.failed();
      expect(deltas).toEqual([{ requests: 1 }]);
    },
  );
});

describe("an observation of a client that hung up", () => {
  it.each([true, false])("blames no lane for what fails then; falls back: %s", (fallsBack) => {
    const gone = new AbortController();
    const request = new Request("https://hub.example/", { signal: gone.signal });
    const { observation } = observeOf(request, fallsBack);
    gone.abort();
    observation.failed();
    observation.stoodIn(true);
    observation.brokeOff();
    expect(deltas).toEqual([{ requests: 1 }]);
  });
});
