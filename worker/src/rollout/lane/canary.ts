/** The call of the canary script: what it gets, how long it is waited for, and what becomes of its answer. */
import {
  DeadlineError,
  parseNumbers,
  ProblemError,
  REQUEST_ID_HEADER,
  type HubContext,
  type ReportedNumbers,
} from "../../http/index.ts";
import { COPY_HEADER, LANE_HEADER, NUMBERS_HEADER, VERSION_HEADER } from "../contract.ts";
import type { Upload } from "./upload.ts";

/**
 * Longest wait for the head of the canary's answer where no other lane can give one, in
 * milliseconds; the time that the canary itself waits for the client is not its own.
 */
export const CANARY_TIMEOUT_MS = 30_000;

const UNKNOWN_VERSION = "unknown";

/** Value of `NUMBERS_HEADER` in a request: the numbers are wanted with the answer. */
const NUMBERS_WANTED = "wanted";

export interface CanaryOptions {
  readonly upload: Upload;
  /**
   * `answer`: for a client. `copy`: of a request that the stable lane has answered. `forced`: an
   * operator asks for the canary; its answer is not measured.
   */
  readonly purpose: "answer" | "copy" | "forced";
  /** What the canary runs, for an answer that does not say it; `null` where it is not known. */
  readonly version: string | null;
}

/** An answer of the canary as a client may get it, and the numbers that came with it. */
export interface CanaryAnswer {
  readonly response: Response;
  readonly numbers: ReportedNumbers;
}

/** The request as the canary gets it: same body, as a stream. */
function forwarded(c: HubContext, { purpose, upload }: CanaryOptions): Request {
  const request = upload.forwarded();
  request.headers.set(REQUEST_ID_HEADER, c.get("requestId"));
  request.headers.delete(LANE_HEADER);
  if (purpose === "copy") request.headers.set(COPY_HEADER, "1");
  if (purpose === "forced") {
    request.headers.delete(NUMBERS_HEADER);
    // The admin token has done its work here.
    request.headers.delete("authorization");
  } else {
    request.headers.set(NUMBERS_HEADER, NUMBERS_WANTED);
  }
  return request;
}

/** Lets a body go that nobody will read. */
export async function discard(response: Response): Promise<void> {
  // One that is broken already is gone, too.
  await response.body?.cancel().catch(() => {});
}

/** One request to the canary. */
export class CanaryCall {
  readonly #options: CanaryOptions;
  readonly #abort = new AbortController();
  readonly #answer: Promise<Response>;

  constructor(c: HubContext, fetcher: Fetcher, options: CanaryOptions) {
    this.#options = options;
    this.#answer = fetcher.fetch(forwarded(c, options), { signal: this.#abort.signal });
  }

  /**
   * The canary's answer, marked as such; without the numbers, which are not the client's.
   * @throws whatever the call throws; DeadlineError when it has no head in time
   */
  async answer(): Promise<CanaryAnswer> {
    const answer = await this.#head();
    const response = new Response(answer.body, answer);
    const { headers } = response;
    const numbers = parseNumbers(headers.get(NUMBERS_HEADER));
    headers.delete(NUMBERS_HEADER);
    headers.set(LANE_HEADER, "canary");
    if (!headers.has(VERSION_HEADER)) headers.set(VERSION_HEADER, this.#version());
    return { response, numbers };
  }

  /** Stops the canary's work for a request whose answer is of no use any more. */
  abandon(): void {
    this.#abort.abort(new Error("no longer waited for"));
    void this.#answer.then(discard, () => {});
  }

  /** What the client is told of a call that failed. */
  problem(cause: unknown): ProblemError {
    const details = {
      detail: "Whether the request took effect is not known; it was not tried again.",
      headers: { [LANE_HEADER]: "canary", [VERSION_HEADER]: this.#version() },
      cause,
    };
    return new ProblemError(cause instanceof DeadlineError ? "canary-timeout" : "canary-failed", details);
  }

  async #head(): Promise<Response> {
    let stop = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      stop = this.#options.upload.whenKept(CANARY_TIMEOUT_MS, () => {
        this.abandon();
        reject(new DeadlineError(CANARY_TIMEOUT_MS));
      });
    });
    try {
      return await Promise.race([this.#answer, late]);
    } finally {
      stop();
    }
  }

  #version(): string {
    return this.#options.version ?? UNKNOWN_VERSION;
  }
}
