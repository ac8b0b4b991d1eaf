/** A plain client of the hub's public API over kept-alive connections. */
import http from "node:http";
import { z } from "zod";
import type { Lane } from "../../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "../lib/exit.ts";
import type { Upload } from "./datasets.ts";

/** An answer of the hub, or how the connection failed (`status` 0). */
export interface Answer {
  readonly status: number;
  readonly lane: string | null;
  /** The stable lane answered it for the canary. */
  readonly spared: boolean;
  /** Without parameters; empty when there is none. */
  readonly mediaType: string;
  readonly body: string;
}

const acceptedSchema = z.object({ accepted: z.int(), bytes: z.int(), messages: z.int() });
const pageSchema = z.object({
  records: z.array(z.record(z.string(), z.unknown())),
  next_cursor: z.string().nullable(),
  source: z.object({ hot: z.int(), cold: z.int() }),
});

export interface Records {
  readonly records: readonly Readonly<Record<string, unknown>>[];
  readonly hot: number;
  readonly cold: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** Characters of an unexpected answer that an error shows. */
const SHOWN_BODY = 300;
const PAGE_LIMIT = 2_000;
/** Records a request: small enough to stay far below the hub's body limit. */
const UPLOAD_BATCH = 2_000;

export class HubClient {
  readonly #url: URL;
  readonly #apiKey: string;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

  constructor(url: string, apiKey: string) {
    this.#url = new URL(url);
    this.#apiKey = apiKey;
  }

  /**
   * Sends one request; a broken connection is an answer with status 0, never a throw.
   * @param lane the one that has to answer; needs the admin token
   */
  request(method: string, path: string, client: string, body?: unknown, lane?: Lane): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const failed = (error: Error): void => {
      resolve({ status: 0, lane: null, spared: false, mediaType: "", body: error.message });
    };
    const request = http.request(
      new URL(path, this.#url),
      {
        method,
        agent: this.#agent,
        timeout: REQUEST_TIMEOUT_MS,
        headers: {
          authorization: `Bearer ${this.#apiKey}`,
          "strata-client": client,
          ...(lane === undefined ? {} : { "strata-lane": lane }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", failed);
        response.on("end", () => {
          const lane = response.headers["strata-lane"];
          resolve({
            status: response.statusCode ?? 0,
            lane: typeof lane === "string" ? lane : null,
            spared: response.headers["strata-fallback"] !== undefined,
            mediaType: (response.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "",
            body: Buffer.concat(chunks).toString("utf8"),
          });
        });
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no answer in ${REQUEST_TIMEOUT_MS} ms`)));
    request.on("error", failed);
    request.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }

  /**
   * Uploads all records of one tenant, in as many requests as it takes.
   * @returns the bytes of JSON sent
   * @throws when any answer is not 202
   */
  async upload(upload: Upload): Promise<number> {
    const { records, datasetId } = upload;
    let bytes = 0;
    for (let start = 0; start < records.length; start += UPLOAD_BATCH) {
      const batch = records.slice(start, start + UPLOAD_BATCH);
      const body = uploadBody({ ...upload, records: batch });
      const answer = await this.request("POST", "/buffer", datasetId, body);
      if (answer.status !== 202) throw refused("POST /buffer", answer);
      const { accepted } = acceptedSchema.parse(JSON.parse(answer.body));
      if (accepted !== batch.length) {
        throw new CliError(EXIT.failed, `sent ${batch.length} records, ${accepted} were accepted`);
      }
      bytes += JSON.stringify(batch).length;
    }
    return bytes;
  }

  /**
   * Reads every record of one tenant and table, page by page.
   * @throws when an answer is not 200
   */
  async readAll(table: string, datasetId: string): Promise<Records> {
    const records: Readonly<Record<string, unknown>>[] = [];
    let hot = 0;
    let cold = 0;
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ table, dataset_id: datasetId, limit: String(PAGE_LIMIT) });
      if (cursor !== null) query.set("cursor", cursor);
      const answer = await this.request("GET", `/read?${query}`, datasetId);
      if (answer.status !== 200) throw refused("GET /read", answer);
      const page = pageSchema.parse(JSON.parse(answer.body));
      records.push(...page.records);
      hot += page.source.hot;
      cold += page.source.cold;
      cursor = page.next_cursor;
    } while (cursor !== null);
    return { records, hot, cold };
  }

  close(): void {
    this.#agent.destroy();
  }
}

function refused(call: string, { status, body }: Answer): CliError {
  return new CliError(EXIT.failed, `${call} answered ${status}: ${body.slice(0, SHOWN_BODY)}`);
}

/** The body of `POST /buffer`. */
export function uploadBody({ table, datasetId, periodTag, records }: Upload): unknown {
  return { dataset_id: datasetId, table, period_tag: periodTag, records };
}
