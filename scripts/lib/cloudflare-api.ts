/**
 * What the scripts read from Cloudflare's REST API, through the official SDK:
 * ids in, validated values out. Changes of code go through wrangler.
 */
import { z } from "zod";
import { bindingSchema, bindingTarget, targetPath, type VersionBinding } from "./binding-targets.ts";
import { apiError, apiFault, openClient, resultOf, type CloudflareAccount } from "./cloudflare-client.ts";

export interface VersionShare {
  readonly versionId: string;
  /** Percent, 0–100. */
  readonly percentage: number;
}

export interface Deployment {
  readonly id: string;
  /** ISO 8601. */
  readonly createdOn: string;
  readonly message: string | null;
  readonly versions: readonly VersionShare[];
}

export interface ScriptVersion {
  readonly id: string;
  readonly number: number;
  /** ISO 8601. */
  readonly createdOn: string;
  readonly tag: string | null;
  readonly message: string | null;
}

/** What a version is made of. */
export interface VersionDetail {
  /** Tag of the last Durable Object migration that had been applied when it was uploaded. */
  readonly migrationTag: string | null;
  readonly bindings: readonly VersionBinding[];
}

/** Rows of one statement. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

export interface QueueConsumer {
  readonly scriptName: string | null;
  readonly deadLetterQueue: string | null;
  readonly batchSize: number | null;
  readonly maxWaitMs: number | null;
  readonly maxRetries: number | null;
}

export interface CloudflareApi {
  /** Newest first; empty when the script does not exist or has no code. */
  deployments(script: string): Promise<readonly Deployment[]>;
  /** Deployable versions, newest first; empty when the script does not exist or has no code. */
  versions(script: string): Promise<readonly ScriptVersion[]>;
  /** `null` when the script has no such version. */
  versionDetail(script: string, versionId: string): Promise<VersionDetail | null>;
  /** One sentence for each binding whose target does not exist any more. */
  missingBindings(bindings: readonly VersionBinding[]): Promise<readonly string[]>;
  /** Tag of the last Durable Object migration that the script has applied. */
  migrationTag(script: string): Promise<string | null>;
  secretNames(script: string): Promise<readonly string[]>;
  /** `<subdomain>` of `<script>.<subdomain>.workers.dev`; `null` when the account has none. */
  workersSubdomain(): Promise<string | null>;
  queueConsumers(queueName: string): Promise<readonly QueueConsumer[]>;
  /** @throws {D1QueryError} in SQLite's words */
  queryD1(databaseId: string, sql: string): Promise<Rows>;
  /**
   * Time Travel: where a database stands now.
   * @throws {BookmarkUnavailable} in the API's words, where it gives none
   */
  timeTravelBookmark(databaseId: string): Promise<string>;
  /** Time Travel: takes a database, all of it, back to a bookmark. */
  restoreBookmark(databaseId: string, bookmark: string): Promise<Restored>;
}

export interface Restored {
  /** Where the database stands now. */
  readonly bookmark: string | null;
  /** Where it stood before: what undoes the restore. */
  readonly previousBookmark: string | null;
}

/** A statement that D1 refused. */
export class D1QueryError extends Error {
  override readonly name = "D1QueryError";
}

/** A database that has no Time Travel, or none at the moment. */
export class BookmarkUnavailable extends Error {
  override readonly name = "BookmarkUnavailable";
}

/** Worker not found, in the two codes that the API uses for it, and version not found. */
const SCRIPT_NOT_FOUND = new Set([10_007, 10_090, 10_222]);
const NO_SUBDOMAIN = 10_063;
const SQL_ERROR = 7_500;
const DATABASE_NOT_FOUND = 7_404;

const annotations = z
  .object({ "workers/tag": z.string().optional(), "workers/message": z.string().optional() })
  .optional();

const deploymentsSchema = z.object({
  deployments: z.array(
    z.object({
      id: z.string(),
      created_on: z.string(),
      versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
      annotations,
    }),
  ),
});

const versionsSchema = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      number: z.number(),
      metadata: z.object({ created_on: z.string() }),
      annotations,
    }),
  ),
});

const versionSchema = z.object({
  resources: z.object({
    bindings: z.array(bindingSchema).optional(),
    script_runtime: z.object({ migration_tag: z.string().nullish() }).optional(),
  }),
});

const serviceSchema = z.object({
  default_environment: z.object({ script: z.object({ migration_tag: z.string().nullish() }) }),
});

const secretsSchema = z.array(z.object({ name: z.string() }));
const statementsSchema = z.array(
  z.object({ results: z.array(z.record(z.string(), z.unknown())).optional() }),
);
const bookmarkSchema = z.object({ bookmark: z.string().nullish() });
const restoredSchema = z.object({
  bookmark: z.string().nullish(),
  previous_bookmark: z.string().nullish(),
});
const queuesSchema = z.array(
  z.object({
    queue_name: z.string(),
    consumers: z
      .array(
        z.object({
          script: z.string().optional(),
          script_name: z.string().optional(),
          service: z.string().optional(),
          dead_letter_queue: z.string().nullish(),
          settings: z
            .object({
              batch_size: z.number().nullish(),
              max_wait_time_ms: z.number().nullish(),
              max_retries: z.number().nullish(),
            })
            .optional(),
        }),
      )
      .optional(),
  }),
);

function scriptOf(consumer: {
  script?: string | undefined;
  script_name?: string | undefined;
  service?: string | undefined;
}): string | null {
  return consumer.script ?? consumer.script_name ?? consumer.service ?? null;
}

/** Opens the account. */
export async function openCloudflareApi(account: CloudflareAccount): Promise<CloudflareApi> {
  const client = await openClient(account);
  const base = `/accounts/${account.accountId}`;

  /** Calls; answers `absent` where the API says that the thing does not exist. */
  const unlessAbsent = async <T>(call: string, request: () => Promise<T>, absent?: T): Promise<T> => {
    try {
      return await request();
    } catch (error) {
      const missing = apiFault(error)?.codes.some(
        (code) => SCRIPT_NOT_FOUND.has(code) || code === NO_SUBDOMAIN,
      );
      if (missing === true && absent !== undefined) return absent;
      throw apiError(error, account, call);
    }
  };

  const get = async <T>(path: string, schema: z.ZodType<T>, absent?: T): Promise<T> => {
    const call = `GET ${path}`;
    const nothing = absent === undefined ? undefined : { result: absent };
    const answer = await unlessAbsent<unknown>(call, () => client.get(`${base}${path}`), nothing);
    return resultOf(answer, schema, call);
  };

  /** A queue is listed by name; everything else answers 404 when it is gone. */
  const targetExists = async (path: string): Promise<boolean> => {
    try {
      const answer = z.object({ result: z.unknown() }).parse(await client.get(`${base}${path}`));
      return !Array.isArray(answer.result) || answer.result.length > 0;
    } catch (error) {
      if (apiFault(error)?.status === 404) return false;
      throw apiError(error, account, `GET ${path}`);
    }
  };

  return {
    deployments: async (script) => {
      const path = `/workers/scripts/${script}/deployments`;
      const { deployments } = await get(path, deploymentsSchema, { deployments: [] });
      return deployments.map((deployment) => ({
        id: deployment.id,
        createdOn: deployment.created_on,
        message: deployment.annotations?.["workers/message"] ?? null,
        versions: deployment.versions.map(({ version_id, percentage }) => ({
          versionId: version_id,
          percentage,
        })),
      }));
    },
    versions: async (script) => {
      const path = `/workers/scripts/${script}/versions?deployable=true`;
      const { items } = await get(path, versionsSchema, { items: [] });
      const versions = items.map((item) => ({
        id: item.id,
        number: item.number,
        createdOn: item.metadata.created_on,
        tag: item.annotations?.["workers/tag"] ?? null,
        message: item.annotations?.["workers/message"] ?? null,
      }));
      return versions.sort((a, b) => b.number - a.number);
    },
    versionDetail: async (script, versionId) => {
      const detail = await get(
        `/workers/scripts/${script}/versions/${versionId}`,
        versionSchema.nullable(),
        null,
      );
      if (detail === null) return null;
      return {
        migrationTag: detail.resources.script_runtime?.migration_tag ?? null,
        bindings: (detail.resources.bindings ?? []).map(bindingTarget),
      };
    },
    missingBindings: async (bindings) => {
      const gone = await Promise.all(
        bindings.map(async (binding) => {
          const path = targetPath(binding);
          if (path === null || (await targetExists(path))) return [];
          return [`its binding ${binding.name} leads to a ${binding.type} that is gone: ${binding.target}`];
        }),
      );
      return gone.flat();
    },
    migrationTag: async (script) => {
      const absent = { default_environment: { script: { migration_tag: null } } };
      const service = await get(`/workers/services/${script}`, serviceSchema, absent);
      return service.default_environment.script.migration_tag ?? null;
    },
    secretNames: async (script) => {
      const secrets = await get(`/workers/scripts/${script}/secrets`, secretsSchema, []);
      return secrets.map(({ name }) => name);
    },
    workersSubdomain: async () => {
      const ask = () => client.workers.subdomains.get({ account_id: account.accountId });
      const { subdomain } = await unlessAbsent("GET /workers/subdomain", ask, { subdomain: "" });
      return subdomain === "" ? null : subdomain;
    },
    queueConsumers: async (queueName) => {
      const queues = await get(`/queues?name=${encodeURIComponent(queueName)}`, queuesSchema);
      const queue = queues.find(({ queue_name }) => queue_name === queueName);
      return (queue?.consumers ?? []).map((consumer) => ({
        scriptName: scriptOf(consumer),
        deadLetterQueue: consumer.dead_letter_queue || null,
        batchSize: consumer.settings?.batch_size ?? null,
        maxWaitMs: consumer.settings?.max_wait_time_ms ?? null,
        maxRetries: consumer.settings?.max_retries ?? null,
      }));
    },
    queryD1: async (databaseId, sql) => {
      const path = `/d1/database/${databaseId}/query`;
      let answer: unknown;
      try {
        answer = await client.post(`${base}${path}`, { body: { sql } });
      } catch (error) {
        const fault = apiFault(error);
        if (fault?.codes.includes(SQL_ERROR)) throw new D1QueryError(fault.message, { cause: error });
        throw apiError(error, account, `POST ${path}`);
      }
      return resultOf(answer, statementsSchema, `POST ${path}`).flatMap(({ results }) => results ?? []);
    },
    timeTravelBookmark: async (databaseId) => {
      const path = `/d1/database/${databaseId}/time_travel/bookmark`;
      let answer: unknown;
      try {
        answer = await client.get(`${base}${path}`);
      } catch (error) {
        const fault = apiFault(error);
        const elsewhere = fault === null || fault.status === 401 || fault.status === 403;
        if (elsewhere || fault.codes.includes(DATABASE_NOT_FOUND)) {
          throw apiError(error, account, `GET ${path}`);
        }
        throw new BookmarkUnavailable(fault.message, { cause: error });
      }
      const { bookmark } = resultOf(answer, bookmarkSchema, `GET ${path}`);
      if (bookmark) return bookmark;
      throw new BookmarkUnavailable("the API answers without one");
    },
    restoreBookmark: async (databaseId, bookmark) => {
      const path = `/d1/database/${databaseId}/time_travel/restore?bookmark=${encodeURIComponent(bookmark)}`;
      const call = `POST ${path}`;
      const answer = await unlessAbsent<unknown>(call, () => client.post(`${base}${path}`));
      const restored = resultOf(answer, restoredSchema, call);
      return {
        bookmark: restored.bookmark ?? null,
        previousBookmark: restored.previous_bookmark ?? null,
      };
    },
  };
}
