import { z } from "zod";
import {
  ARCHIVE_CODECS,
  ENVIRONMENTS,
  GENERIC_TABLES,
  defaultSettings,
  type Environment,
  type StackSettings,
} from "./topology.ts";

/** Namespace of the blueprint's own keys in the `Pulumi.<stack>.yaml` files. */
export const CONFIG_NAMESPACE = "strata";

/** What a stack file, the stack's name and the environment say together. */
export interface StackConfig {
  readonly environment: Environment;
  readonly accountId: string;
  readonly settings: StackSettings;
}

/** A stack is configured wrongly; the message lists every fault with its key. */
export class StackConfigError extends Error {
  override readonly name = "StackConfigError";
  readonly faults: readonly string[];

  constructor(stack: string, faults: readonly string[]) {
    super(
      [
        `Stack "${stack}" is configured wrongly (Pulumi.${stack}.yaml):`,
        ...faults.map((fault) => `  ${fault}`),
        `Mend it in the file, or with: npx pulumi config set <key> <value> --stack ${stack}`,
      ].join("\n"),
    );
    this.faults = faults;
  }
}

const DAYS = { min: 1, max: 36_500 } as const;
/** Queues keep a message between one minute and fourteen days. */
const RETENTION_SECONDS = { min: 60, max: 1_209_600 } as const;
/** What the archiver takes (archiver/src/settings.ts): a stack that it would refuse is not provisioned. */
const HOT_WINDOW_SECONDS = { min: 0, max: 2_592_000 } as const;
const BLOCK_BYTES = { min: 1_024, max: 1_048_576 } as const;
const FILE_BYTES = { min: 65_536, max: 8_388_608 } as const;
const ACCOUNT_ID = /^[0-9a-f]{32}$/;
const CRON_FIELD = /^[\dA-Za-z*,/#LW-]+$/;

/** Reads a whole number from its decimal notation, which is how Pulumi hands over every scalar. */
function integer(what: string, { min, max }: { readonly min: number; readonly max: number }) {
  const error = `must be a whole number of ${what} from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error });
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: `must be one of ${values.join(", ")}` });
}

function isCron(expression: string): boolean {
  const fields = expression.split(" ");
  return fields.length === 5 && fields.every((field) => CRON_FIELD.test(field));
}

/** Pulumi hands over a list as its JSON text. */
const cronList = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: 'must be a list, for example ["7 * * * *"]' });
      return z.NEVER;
    }
  })
  .pipe(
    z
      .array(
        z.string().refine(isCron, {
          error: (issue) => `"${String(issue.input)}" is not a cron expression of five fields`,
        }),
        { error: 'must be a list, for example ["7 * * * *"]' },
      )
      .min(1, { error: "must name at least one cron expression" })
      .refine((crons) => new Set(crons).size === crons.length, { error: "names a cron expression twice" }),
  );

/** One reader a key: text as Pulumi hands it over → the typed value. */
const READERS = {
  coldExpiryDays: z.union([z.literal("never").transform(() => null), integer("days", DAYS)], {
    error: `must be a whole number of days from ${DAYS.min} to ${DAYS.max}, or "never"`,
  }),
  backupExpiryDays: integer("days", DAYS),
  archiveCrons: cronList,
  queueRetentionSeconds: integer("seconds", RETENTION_SECONDS),
  hotWindowSeconds: integer("seconds", HOT_WINDOW_SECONDS),
  archiveBlockBytes: integer("bytes", BLOCK_BYTES),
  archiveFileBytes: integer("bytes", FILE_BYTES),
  archiveCodec: oneOf(ARCHIVE_CODECS),
  genericTables: oneOf(GENERIC_TABLES),
  accountId: z.string().regex(ACCOUNT_ID, { error: "must be an account id: 32 hexadecimal digits" }),
} as const;

function isKnown(key: string): key is keyof typeof READERS {
  return Object.hasOwn(READERS, key);
}

function environmentOf(stack: string): Environment {
  const environment = ENVIRONMENTS.find((candidate) => candidate === stack);
  if (environment === undefined) {
    throw new StackConfigError(stack, [
      `stack: there is no environment "${stack}"; the stacks are ${ENVIRONMENTS.join(", ")}`,
    ]);
  }
  return environment;
}

/**
 * Validates a stack's configuration.
 *
 * @param stack the stack's name, which is the environment's name
 * @param config every config value of the stack as Pulumi hands it over: full key → text
 * @param fallbackAccountId used where the stack file names no account (`CLOUDFLARE_ACCOUNT_ID`)
 * @throws {StackConfigError} listing every wrong, missing or unknown key
 */
export function parseStackConfig(
  stack: string,
  config: Readonly<Record<string, string>>,
  fallbackAccountId: string | undefined,
): StackConfig {
  const environment = environmentOf(stack);
  const faults: string[] = [];
  const prefix = `${CONFIG_NAMESPACE}:`;

  // The provider refuses the key with a message of its own that does not say what to use instead.
  if (config["cloudflare:accountId"] !== undefined) {
    faults.push(`cloudflare:accountId: the provider refuses this key; use ${prefix}accountId`);
  }
  for (const key of Object.keys(config)) {
    if (key.startsWith(prefix) && !isKnown(key.slice(prefix.length))) {
      faults.push(`${key}: unknown key; the keys are ${Object.keys(READERS).join(", ")}`);
    }
  }

  function read<T, D>(key: keyof typeof READERS, reader: z.ZodType<T>, otherwise: D): T | D {
    const text = config[prefix + key];
    if (text === undefined) {
      if (key !== "accountId") {
        faults.push(`${prefix}${key}: missing`);
      }
      return otherwise;
    }
    const parsed = reader.safeParse(text);
    if (parsed.success) {
      return parsed.data;
    }
    const reasons = new Set(parsed.error.issues.map((issue) => issue.message));
    faults.push(`${prefix}${key}: ${[...reasons].join("; ")} (is ${JSON.stringify(text)})`);
    return otherwise;
  }

  const defaults = defaultSettings(environment);
  const settings: StackSettings = {
    coldExpiryDays: read("coldExpiryDays", READERS.coldExpiryDays, defaults.coldExpiryDays),
    backupExpiryDays: read("backupExpiryDays", READERS.backupExpiryDays, defaults.backupExpiryDays),
    archiveCrons: read("archiveCrons", READERS.archiveCrons, defaults.archiveCrons),
    queueRetentionSeconds: read(
      "queueRetentionSeconds",
      READERS.queueRetentionSeconds,
      defaults.queueRetentionSeconds,
    ),
    hotWindowSeconds: read("hotWindowSeconds", READERS.hotWindowSeconds, defaults.hotWindowSeconds),
    archiveBlockBytes: read("archiveBlockBytes", READERS.archiveBlockBytes, defaults.archiveBlockBytes),
    archiveFileBytes: read("archiveFileBytes", READERS.archiveFileBytes, defaults.archiveFileBytes),
    archiveCodec: read("archiveCodec", READERS.archiveCodec, defaults.archiveCodec),
    genericTables: read("genericTables", READERS.genericTables, defaults.genericTables),
  };
  const accountId = read("accountId", READERS.accountId, fallbackAccountId);
  if (accountId === undefined) {
    faults.push(`${prefix}accountId: missing; set it, or CLOUDFLARE_ACCOUNT_ID in the environment`);
  } else if (config[`${prefix}accountId`] === undefined && !ACCOUNT_ID.test(accountId)) {
    faults.push("CLOUDFLARE_ACCOUNT_ID: must be an account id: 32 hexadecimal digits");
  }
  if (faults.length > 0 || accountId === undefined) {
    throw new StackConfigError(stack, faults);
  }
  return { environment, accountId, settings };
}
