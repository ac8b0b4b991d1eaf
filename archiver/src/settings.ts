/** What the stack decides about the archive, read from the Worker's variables. */
import type { Env } from "./env.generated.ts";
import { CODECS, type Codec } from "./ocf/index.ts";

export interface Settings {
  /** Days after which the bucket's lifecycle rule removes an object; `null` keeps it for ever. */
  readonly coldExpiryDays: number | null;
  /** How long a record stays hot at least, in ms. */
  readonly hotWindow: number;
  /** Bytes of records a block aims at, before compression. */
  readonly blockBytes: number;
  /** Bytes of records a file of an archive run aims at, before compression. */
  readonly fileBytes: number;
  readonly codec: Codec;
  /** Whether tables without a schema take records, in the generic envelope. */
  readonly genericTables: boolean;
}

type SettingsEnv = Pick<
  Env,
  | "COLD_EXPIRY_DAYS"
  | "HOT_WINDOW_SECONDS"
  | "ARCHIVE_BLOCK_BYTES"
  | "ARCHIVE_FILE_BYTES"
  | "ARCHIVE_CODEC"
  | "GENERIC_TABLES"
>;

/** The Worker was released with variables that it does not understand; every fault is listed. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/**
 * Reads the Worker's variables.
 * @throws SettingsError naming every variable that is wrong
 */
export function readSettings(env: SettingsEnv): Settings {
  const faults: string[] = [];

  function integer(name: keyof SettingsEnv, min: number, max: number): number {
    const text = String(env[name]);
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    faults.push(`${name} must be an integer from ${min} to ${max}, not ${JSON.stringify(text)}`);
    return min;
  }

  function choice<T extends string>(name: keyof SettingsEnv, values: readonly [T, ...T[]]): T {
    const found = values.find((value) => value === env[name]);
    if (found === undefined) {
      faults.push(`${name} must be one of ${values.join(", ")}, not ${JSON.stringify(env[name])}`);
    }
    return found ?? values[0];
  }

  const settings: Settings = {
    coldExpiryDays: env.COLD_EXPIRY_DAYS === "never" ? null : integer("COLD_EXPIRY_DAYS", 1, 36_500),
    hotWindow: integer("HOT_WINDOW_SECONDS", 0, 30 * 86_400) * 1_000,
    blockBytes: integer("ARCHIVE_BLOCK_BYTES", 1_024, 1024 * 1024),
    fileBytes: integer("ARCHIVE_FILE_BYTES", 64 * 1024, 8 * 1024 * 1024),
    codec: choice("ARCHIVE_CODEC", CODECS),
    genericTables: choice("GENERIC_TABLES", ["refuse", "allow"]) === "allow",
  };
  if (faults.length > 0) throw new SettingsError(faults.join("; "));
  return settings;
}

const DAY_MS = 86_400_000;

/**
 * R2 removes an object some time after its age has passed the rule's, never
 * before. A file leaves the index this much earlier, so that neither clocks that
 * differ nor a read that takes long meet an object that is gone.
 */
const EXPIRY_MARGIN_MS = 60 * 60_000;

/**
 * Files whose retention counts from this time or earlier have expired: they are
 * no longer read, and are deleted next. Computed from today's setting, so that a
 * stack that changes its expiry changes that of files it has already.
 * @param now ms UTC
 * @returns ms UTC; -1 where nothing expires
 */
export function expiryCutoff({ coldExpiryDays }: Pick<Settings, "coldExpiryDays">, now: number): number {
  return coldExpiryDays === null ? -1 : now - coldExpiryDays * DAY_MS + EXPIRY_MARGIN_MS;
}
