/** Typed client of the hub's archive API. */
import type { z } from "zod";
import type {
  ArchiveRunResult,
  ArchiveStats,
  CompactionResult,
  DeadLetterChoice,
  DeadLetterOutcome,
  DeadLetterPage,
  ErasureReceipt,
  FileReport,
  VerifyDepth,
} from "../../../archiver/src/contract.ts";
import { requireSecret, type ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { adminTokens, hubUrl } from "../rollout/hub.ts";
import { parseBody } from "../problem.ts";
import { createHubCall, HubRefusal, type CallHub, type HubAnswer, type HubCall } from "./hub-call.ts";
import {
  appliedSchema,
  archiveRunSchema,
  compactionSchema,
  deadLettersSchema,
  fileReportSchema,
  outcomeSchema,
  receiptSchema,
  retentionSchema,
  scanSchema,
  statsSchema,
  verifyPageSchema,
  type Applied,
  type Retention,
  type Scan,
  type VerifyPage,
} from "./shapes.ts";

const UNKNOWN_FILE = "urn:strata:problem:unknown-file";

/** Every call throws a {@link HubRefusal} when the hub refuses, and waits while the archive is busy. */
export interface ArchiveClient {
  stats(): Promise<ArchiveStats>;
  /** Archives what is ready. `ran` is `false` when another run holds the archive. */
  run(): Promise<ArchiveRunResult>;
  /** `ran` is `false` when another run holds the archive. */
  compact(force: boolean): Promise<CompactionResult>;
  /** `ran` is `false` when another run holds the archive. */
  retain(): Promise<Retention>;
  verify(depth: VerifyDepth, cursor: string | null): Promise<VerifyPage>;
  scan(cursor: string | null): Promise<Scan>;
  apply(dryRun: boolean): Promise<Applied>;
  /** `null` when there is no such object. */
  file(key: string): Promise<FileReport | null>;
  /** Goes on with the erasure; the receipt says whether there is more to do. */
  erase(datasetId: string): Promise<ErasureReceipt>;
  deadLetters(after: number | null, limit: number): Promise<DeadLetterPage>;
  replay(choice: DeadLetterChoice): Promise<DeadLetterOutcome>;
  purge(choice: DeadLetterChoice): Promise<DeadLetterOutcome>;
}

function parseAnswer<T>({ method, path }: HubCall, { bytes }: HubAnswer, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseBody(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  throw new CliError(EXIT.failed, `The hub answered ${method} ${path} in an unknown shape`, {
    hints: parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
  });
}

/** @param callHub as an operator */
export function createArchiveClient(callHub: CallHub): ArchiveClient {
  const ask = async <T>(call: HubCall, schema: z.ZodType<T>): Promise<T> =>
    parseAnswer(call, await callHub(call), schema);
  const post = <T>(path: string, schema: z.ZodType<T>, body: unknown = {}): Promise<T> =>
    ask({ method: "POST", path, body }, schema);
  const from = (cursor: string | null) => (cursor === null ? {} : { cursor });

  return {
    stats: () => ask({ method: "GET", path: "/admin/archive/stats" }, statsSchema),
    run: () => post("/admin/archive/run", archiveRunSchema),
    compact: (force) => post("/admin/archive/compact", compactionSchema, { force }),
    retain: () => post("/admin/archive/retain", retentionSchema),
    verify: (depth, cursor) => post("/admin/archive/verify", verifyPageSchema, { depth, ...from(cursor) }),
    scan: (cursor) => post("/admin/archive/reindex", scanSchema, { step: "scan", ...from(cursor) }),
    apply: (dryRun) => post("/admin/archive/reindex", appliedSchema, { step: "apply", dryRun }),
    file: async (key) => {
      try {
        const path = `/admin/archive/file?${new URLSearchParams({ key })}`;
        return await ask({ method: "GET", path }, fileReportSchema);
      } catch (error) {
        if (error instanceof HubRefusal && error.type === UNKNOWN_FILE) return null;
        throw error;
      }
    },
    erase: (datasetId) =>
      ask({ method: "DELETE", path: `/admin/datasets/${encodeURIComponent(datasetId)}` }, receiptSchema),
    deadLetters: (after, limit) => {
      const query = new URLSearchParams({ limit: String(limit) });
      if (after !== null) query.set("after", String(after));
      return ask({ method: "GET", path: `/admin/dead-letters?${query}` }, deadLettersSchema);
    },
    replay: (choice) => post("/admin/dead-letters/replay", outcomeSchema, choice),
    purge: (choice) => post("/admin/dead-letters/purge", outcomeSchema, choice),
  };
}

/**
 * The archive API of the released hub.
 * @param onWait told of each wait, in a sentence
 * @throws {CliError} credentials, when ADMIN_TOKEN is not known; failed, when the hub has no address
 */
export async function openArchive(
  context: ReleaseContext,
  onWait: (why: string) => void,
): Promise<ArchiveClient> {
  const { clock, signal, fetch } = context;
  const tokens = adminTokens(context);
  const url = await hubUrl(context);
  return createArchiveClient(
    createHubCall({ url, secret: "ADMIN_TOKEN", tokens, clock, signal, fetch, onWait }),
  );
}

/**
 * The hub's records API, for whoever reads with an API key.
 * @throws {CliError} credentials, when BOOTSTRAP_API_KEY is not known; failed, when the hub has no address
 */
export async function openRecords(context: ReleaseContext, onWait: (why: string) => void): Promise<CallHub> {
  const { clock, signal, fetch } = context;
  const secret = "BOOTSTRAP_API_KEY";
  const key = requireSecret(context, secret, "The hub's records are read with it");
  return createHubCall({ url: await hubUrl(context), secret, tokens: [key], clock, signal, fetch, onWait });
}
