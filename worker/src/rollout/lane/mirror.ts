/**
 * Copies of reads: what the stable lane has answered is asked of the canary, too, and nobody
 * gets that answer. A release thus meets real reads before it has a share of them. A copy is sent
 * when the answer's head is there, so that no client waits for it, and each read is counted
 * on both lanes or on neither.
 */
import type { Next } from "hono";
import { log, type Clock, type HubContext } from "../../http/index.ts";
import type { RolloutView } from "../view.ts";
import { CanaryCall } from "./canary.ts";
import { answerFromStable, goodAnswerFromCanary, watched } from "./lane-answers.ts";
import { trafficClass } from "./lane-choice.ts";
import { Observation } from "./observation.ts";
import type { Delta, SeriesKey } from "./tally.ts";
import { Upload } from "./upload.ts";

/** Copies of one isolate at once: a canary that hangs must not pile them up. */
export const MAX_COPIES = 128;
/** A copy that has not ended by then was cut off with its request, in milliseconds. */
const CUT_OFF_MS = 60_000;
/** Bytes of an answer that are read to see whether it breaks off. */
export const MAX_READ_BYTES = 1_048_576;

/** What it needs to know of the rollout and of the request. */
export interface MirrorOptions {
  readonly view: RolloutView;
  readonly canary: Fetcher;
  readonly key: Omit<SeriesKey, "lane">;
  /** Hears each step of the count. */
  readonly note: (key: SeriesKey, delta: Delta) => void;
}

/** The request once more, but for its client, who may be gone when it is sent. */
function copyOf({ url, method, headers }: Request): Request {
  return new Request(url, { method, headers, redirect: "manual" });
}

/** Reads an answer that nobody wants, up to a bound, for what is watching it. */
async function readThrough({ body }: Response): Promise<void> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  try {
    for (let bytes = 0; bytes < MAX_READ_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // Whoever watches it was told.
  }
}

/** The copies of one isolate. */
export class Mirror {
  readonly #clock: Clock;
  /** When each copy that is under way began. */
  readonly #underWay = new Set<{ readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to copy this request: by lot, if it is a read that may be done twice, and there is room. */
  takes(view: RolloutView, request: Request): boolean {
    if (view.mirrorReads === 0 || trafficClass(request.method) !== "read") return false;
    if (request.body !== null || request.headers.has("upgrade")) return false;
    return Math.random() * 100 < view.mirrorReads && this.#hasRoom();
  }

  /** Answers by the stable lane, then copies the request. @throws what the stable lane throws */
  async answer(c: HubContext, next: Next, options: MirrorOptions): Promise<void> {
    const request = c.req.raw;
    const slot = { at: this.#clock.now() };
    this.#underWay.add(slot);
    const observation = this.#observe(request, new Upload(request, this.#clock), "stable", options);
    c.executionCtx.waitUntil(observation.counted);
    let well = false;
    try {
      await answerFromStable(c, next, observation);
      well = c.res.status < 500;
    } finally {
      const copied = this.#copy(c, copyOf(request), well, options).finally(() => this.#underWay.delete(slot));
      c.executionCtx.waitUntil(copied);
    }
  }

  #hasRoom(): boolean {
    const oldest = this.#clock.now() - CUT_OFF_MS;
    for (const slot of this.#underWay) {
      if (slot.at < oldest) this.#underWay.delete(slot);
    }
    return this.#underWay.size < MAX_COPIES;
  }

  #observe(
    request: Request,
    upload: Upload,
    lane: SeriesKey["lane"],
    { view, key, note }: MirrorOptions,
  ): Observation {
    return new Observation({
      clock: this.#clock,
      request,
      upload,
      overdueMs: view.overdueMs,
      // What the canary fails, the stable lane has answered before.
      fallsBack: lane === "canary",
      note: (delta) => note({ ...key, lane }, delta),
    });
  }

  /** @param well whether the stable lane has done well with the same request */
  async #copy(c: HubContext, request: Request, well: boolean, options: MirrorOptions): Promise<void> {
    const { view, canary, key } = options;
    const upload = new Upload(request, this.#clock);
    const observation = this.#observe(request, upload, "canary", options);
    const call = new CanaryCall(c, canary, { upload, purpose: "copy", version: view.canaryVersion });
    const answer = await goodAnswerFromCanary(c, call, observation);
    if (typeof answer !== "string") return await readThrough(watched(c, answer, "canary", observation));
    log(c.env, "warn", "canary-copy-failed", { request_id: c.get("requestId"), reason: answer, ...key });
    observation.stoodIn(well);
  }
}
