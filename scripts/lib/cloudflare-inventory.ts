/** What really exists in an account, product by product: read only, through the official SDK. */
import { z } from "zod";
import { apiError, apiFault, openClient, resultOf, type CloudflareAccount } from "./cloudflare-client.ts";
import { CliError } from "./exit.ts";

const PER_PAGE = 100;
/** Pages that are read of one list, at most. */
const MAX_PAGES = 50;
/** Buckets that one answer lists; an account has fewer unless it asked for more. */
const MAX_BUCKETS = 1_000;
const NOT_FOUND = 404;

const named = z.object({ id: z.string(), title: z.string() });
const database = z.object({ uuid: z.string(), name: z.string() });
const databaseDetail = z.object({ read_replication: z.object({ mode: z.string() }).nullish() });
const buckets = z.object({ buckets: z.array(z.object({ name: z.string() })) });
const queue = z.object({
  queue_id: z.string(),
  queue_name: z.string(),
  settings: z
    .object({ delivery_delay: z.number().nullish(), message_retention_period: z.number().nullish() })
    .nullish(),
});
const worker = z.object({ id: z.string(), name: z.string() });
const schedules = z.object({ schedules: z.array(z.object({ cron: z.string() })) });
const age = z.object({ condition: z.object({ maxAge: z.number().nullish() }).nullish() });
const lifecycle = z.object({
  rules: z.array(
    z.object({
      id: z.string(),
      enabled: z.boolean(),
      conditions: z.object({ prefix: z.string().nullish() }).nullish(),
      deleteObjectsTransition: age.nullish(),
      abortMultipartUploadsTransition: age.nullish(),
      storageClassTransitions: z.array(z.unknown()).nullish(),
    }),
  ),
});

export interface LifecycleFacts {
  readonly id: string;
  readonly enabled: boolean;
  /** What keys of objects that it is for begin with; "" for all. */
  readonly prefix: string;
  readonly kind: "expire" | "abort-multipart" | "other";
  readonly afterSeconds: number | null;
}

export interface QueueFacts {
  readonly name: string;
  /** `null`: the API does not say. */
  readonly deliveryDelaySeconds: number | null;
  readonly retentionSeconds: number | null;
}

/** The token may not ask, or the call failed. */
export interface Unanswered {
  readonly error: CliError;
  /** Of the answer; `null`: there was none. */
  readonly status: number | null;
}

/** The answer to one question about the account. */
export type Answered<T> = { readonly value: T } | Unanswered;

/** Each list is asked for once, however often it is wanted. */
export interface Inventory {
  /** Whether the token is active; an account-owned token cannot verify itself that way. */
  token(): Promise<Answered<string>>;
  /** Title by id. */
  kv(): Promise<Answered<ReadonlyMap<string, string>>>;
  /** Name by id. */
  d1(): Promise<Answered<ReadonlyMap<string, string>>>;
  /** `auto` or `disabled`; `null`: the database does not exist. */
  readReplication(databaseId: string): Promise<Answered<string | null>>;
  r2(): Promise<Answered<ReadonlySet<string>>>;
  /** `null`: the bucket does not exist. */
  lifecycle(bucketName: string): Promise<Answered<readonly LifecycleFacts[] | null>>;
  /** By id. */
  queues(): Promise<Answered<ReadonlyMap<string, QueueFacts>>>;
  /** Name by id, of scripts with and without code. */
  workers(): Promise<Answered<ReadonlyMap<string, string>>>;
  /** `null`: the script does not exist. */
  crons(scriptName: string): Promise<Answered<readonly string[] | null>>;
}

function lifecycleFacts(rule: z.infer<typeof lifecycle>["rules"][number]): LifecycleFacts {
  const { id, enabled, conditions, deleteObjectsTransition, abortMultipartUploadsTransition } = rule;
  const expires = deleteObjectsTransition ?? null;
  const aborts = abortMultipartUploadsTransition ?? null;
  const others = (rule.storageClassTransitions ?? []).length + (expires !== null && aborts !== null ? 1 : 0);
  const kind =
    others > 0 ? "other" : expires !== null ? "expire" : aborts !== null ? "abort-multipart" : "other";
  const afterSeconds = (expires ?? aborts)?.condition?.maxAge ?? null;
  return { id, enabled, prefix: conditions?.prefix ?? "", kind, afterSeconds };
}

/** Opens the account. */
export async function openInventory(account: CloudflareAccount): Promise<Inventory> {
  const client = await openClient(account);
  const base = `/accounts/${account.accountId}`;

  const ask = async <T>(path: string, schema: z.ZodType<T>): Promise<T> =>
    resultOf(await client.get(path), schema, `GET ${path}`);

  const answered = async <T>(call: string, work: () => Promise<T>): Promise<Answered<T>> => {
    try {
      return { value: await work() };
    } catch (error) {
      if (error instanceof CliError) return { error, status: 200 };
      return { error: apiError(error, account, call), status: apiFault(error)?.status ?? null };
    }
  };

  /** The value, or `null` where the API says 404. */
  const unlessGone = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (apiFault(error)?.status === NOT_FOUND) return null;
      throw error;
    }
  };

  const all = async <T>(path: string, item: z.ZodType<T>): Promise<readonly T[]> => {
    const items: T[] = [];
    for (let page = 1; page <= MAX_PAGES; page += 1) {
      const found = await ask(`${base}${path}?page=${page}&per_page=${PER_PAGE}`, z.array(item));
      items.push(...found);
      if (found.length < PER_PAGE) break;
    }
    return items;
  };

  const once = <T>(call: string, work: () => Promise<T>): (() => Promise<Answered<T>>) => {
    let asked: Promise<Answered<T>> | null = null;
    return () => (asked ??= answered(call, work));
  };

  const listed = <T, V>(
    path: string,
    item: z.ZodType<T>,
    entry: (found: T) => readonly [id: string, value: V],
  ): (() => Promise<Answered<ReadonlyMap<string, V>>>) =>
    once(`GET ${path}`, async () => new Map((await all(path, item)).map(entry)));

  return {
    token: once("GET /user/tokens/verify", async () => {
      const { status } = await ask("/user/tokens/verify", z.object({ status: z.string() }));
      return status;
    }),
    kv: listed("/storage/kv/namespaces", named, ({ id, title }) => [id, title]),
    d1: listed("/d1/database", database, ({ uuid, name }) => [uuid, name]),
    readReplication: (id) =>
      answered(`GET /d1/database/${id}`, async () => {
        const found = await unlessGone(() => ask(`${base}/d1/database/${id}`, databaseDetail));
        return found === null ? null : (found.read_replication?.mode ?? "disabled");
      }),
    r2: once("GET /r2/buckets", async () => {
      const found = await ask(`${base}/r2/buckets?per_page=${MAX_BUCKETS}`, buckets);
      return new Set(found.buckets.map(({ name }) => name));
    }),
    lifecycle: (name) =>
      answered(`GET /r2/buckets/${name}/lifecycle`, async () => {
        const found = await unlessGone(() => ask(`${base}/r2/buckets/${name}/lifecycle`, lifecycle));
        return found === null ? null : found.rules.map(lifecycleFacts);
      }),
    queues: listed("/queues", queue, ({ queue_id, queue_name, settings }) => [
      queue_id,
      {
        name: queue_name,
        deliveryDelaySeconds: settings?.delivery_delay ?? null,
        retentionSeconds: settings?.message_retention_period ?? null,
      },
    ]),
    workers: listed("/workers/workers", worker, ({ id, name }) => [id, name]),
    crons: (name) =>
      answered(`GET /workers/scripts/${name}/schedules`, async () => {
        const found = await unlessGone(() => ask(`${base}/workers/scripts/${name}/schedules`, schedules));
        return found === null ? null : found.schedules.map(({ cron }) => cron);
      }),
  };
}
