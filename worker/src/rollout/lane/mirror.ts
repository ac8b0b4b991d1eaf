/**
 * Copies of reads: what the stable lane has answered is asked of the canary, too, and nobody
 * gets that answer. A release thus meets real reads before it has a share of them. A copy is sent
 * when the answer's head is there, so that no client waits for it, and each read is counted
 * on both lanes or on neither. What both fail is a failure of neither: it says nothing of the
 * canary, and must not hide what does.
 */
import type { Next } from "hono";
import { log, type Clock, type HubContext } from "../../http/index.ts";
import type { RolloutView } from "../view.ts";
import { CanaryCall } from "./canary.ts";
import { answerFromStable, bodyBroke, goodAnswerFromCanary } from "./lane-answers.ts";
import { isRepeatable } from "./lane-choice.ts";
import { Observation } from "./observation.ts";
import type { Delta, SeriesKey } from "./tally.ts";
import { Upload } from "./upload.ts";

/** Copies of one isolate at once: a canary that hangs must not pile them up. */
export const MAX_COPIES = 128;
/** A copy that has not ended by then was cut off with its request, in milliseconds. */
const CUT_OFF_MS = 60_000;
/** Bytes of an answer that are read to see whether it breaks off. */
export const MAX_READ_BYTES = 65_536;

/** What it needs to know of the rollout and of the request. */
export interface MirrorOptions {
  readonly view: RolloutView;
  readonly canary: Fetcher;
  readonly key: Omit<SeriesKey, "lane">;
  /** Hears each step of the count. */
  readonly note: (key: SeriesKey, delta: Delta) => void;
}

/** What the stable lane made of the same request. */
interface Before {
  readonly stable: Observation;
  /** Whether its answer was no failure. */
  readonly well: boolean;
}

/** The request once more, but for its client, who may be gone when it is sent. */
function copyOf(request: Request): Request {
  return new Request(request, { signal: new AbortController().signal });
}

/** Reads an answer that nobody wants, up to a bound. @throws when it breaks off before */
async function readThrough({ body }: Response): Promise<void> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  for (let bytes = 0; bytes < MAX_READ_BYTES;) {
    const { done, value } = await reader.read();
    if (done) return;
    bytes += value.byteLength;
  }
  // Whatever becomes of the rest.
  await reader.cancel().catch(() => {});
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
    if (view.mirrorReads === 0 || !isRepeatable(request) || request.headers.has("upgrade")) return false;
    return Math.random() * 100 < view.mirrorReads && this.#hasRoom();
  }

  /** Answers by the stable lane, then copies the request. @throws what the stable lane throws */
  async answer(c: HubContext, next: Next, options: MirrorOptions): Promise<void> {
    const request = c.req.raw;
    const slot = { at: this.#clock.now() };
    this.#underWay.add(slot);
    const stable = this.#observe(request, new Upload(request, this.#clock), "stable", options);
    c.executionCtx.waitUntil(stable.counted);
    let well = false;
    try {
      await answerFromStable(c, next, stable);
      well = c.res.status < 500;
    } finally {
      const copied = this.#copy(c, copyOf(request), { stable, well }, options);
      c.executionCtx.waitUntil(copied.finally(() => this.#underWay.delete(slot)));
    }
  }

  #hasRoom(): boolean {
    const oldest = this.#clock.now() - CUT_OFF_MS;
    for (const slot of this.#underWay) {
      if (slot.at < oldest) this.#underWay.delete(slot);
    }
    return this.#underWay.size < MAX_COPIES;
  }

  /** A failure of one lane counts when the other has done better. */
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
      fallsBack: true,
      // Nobody answers in the stable lane's place.
      note: (delta) => note({ ...key, lane }, lane === "stable" ? { ...delta, fallbacks: 0 } : delta),
    });
  }

  async #copy(c: HubContext, request: Request, before: Before, options: MirrorOptions): Promise<void> {
    const { view, canary, key } = options;
    const upload = new Upload(request, this.#clock);
    const observation = this.#observe(request, upload, "canary", options);
    const call = new CanaryCall(c, canary, { upload, purpose: "copy", version: view.canaryVersion });
    const answer = await goodAnswerFromCanary(c, call, observation);
    const stableWell = before.well && !before.stable.isOverdue;
    before.stable.stoodIn(typeof answer !== "string");
    if (typeof answer === "string") {
      log(c.env, "warn", "canary-copy-failed", { request_id: c.get("requestId"), reason: answer, ...key });
      observation.stoodIn(stableWell);
      return;
    }
    try {
      await readThrough(answer);
    } catch (error) {
      bodyBroke(c, "canary", observation, error);
    }
  }
}
