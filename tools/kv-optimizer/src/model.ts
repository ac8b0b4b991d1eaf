/**
 * What the parts of the program hand to each other: the sources that are read, the
 * calls that the analysis finds, the judgement of each, and the report of all.
 * Plain data throughout. Paths are relative to the root, with `/`.
 */

/** The methods of a KV namespace. */
export const OPERATIONS = ["get", "getWithMetadata", "put", "delete", "list"] as const;
export type Operation = (typeof OPERATIONS)[number];

export const CONFIDENCES = ["high", "medium", "low"] as const;
/** `high`: declared or followed to a binding. `medium`: one step was inferred. `low`: a name is all there is. */
export type Confidence = (typeof CONFIDENCES)[number];

/** A place in a source file; both count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something that was there and could not be read. */
export interface Unread {
  readonly file: string;
  /** Why, in a sentence without the file's name. */
  readonly why: string;
}

/** Files of one state of a repository: a folder on disk, or the tree of a commit. */
export interface SourceTree {
  /** Sorted. Code files and wrangler, tsconfig and package files; what is excluded is not among them. */
  readonly paths: readonly string[];
  /**
   * Sorted, and none of `paths`: generated or git-ignored TypeScript that names `KVNamespace`.
   * Its declarations count and its calls do not.
   */
  readonly typePaths: readonly string[];
  /**
   * The text of one of `paths` or `typePaths`.
   * @throws {UnreadableError} when it cannot be read any more, is too large or is no text
   */
  read(path: string): string;
  /** What was met on the way and left out because it could not be read. */
  readonly unread: readonly Unread[];
}

/** A file that `SourceTree.read` cannot give; the message says why, in a sentence without the file's name. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/** One Worker of a wrangler config, the top level or one of its environments. */
export interface WorkerConfig {
  /** The config file. */
  readonly file: string;
  /** `null` at the top level. */
  readonly environment: string | null;
  readonly worker: string | null;
  /** Entry module; `null` when the config names none. */
  readonly main: string | null;
  /** Names under which the code sees KV namespaces. */
  readonly kvBindings: readonly string[];
  /** Names of all other bindings: D1, R2, queues, variables, … */
  readonly otherBindings: readonly string[];
  /** Cron expressions of five fields. */
  readonly crons: readonly string[];
}

/** What makes a Worker run. */
export const TRIGGER_KINDS = ["request", "cron", "queue", "alarm", "email", "rpc", "startup"] as const;
export type TriggerKind = (typeof TRIGGER_KINDS)[number];

/** A loop around a call, or around a call of the function that holds it. */
export interface Loop extends Place {
  /** How often it runs, where that can be read from the source or is annotated; else `null`. */
  readonly count: number | null;
}

/** One way by which a trigger reaches a call. */
export interface CallPath {
  readonly trigger: TriggerKind;
  /** The handler, for example `src/index.ts#scheduled`. */
  readonly entry: string;
  /** Functions from the handler to the call, outermost first, for example `["scheduled", "syncAll", "saveState"]`. */
  readonly via: readonly string[];
  /** From the outermost. */
  readonly loops: readonly Loop[];
}

/** Whether a put gives its value a time to live. */
export type Ttl =
  | { readonly verdict: "yes"; readonly seconds: number | null; readonly why: string }
  | { readonly verdict: "no"; readonly why: string }
  | { readonly verdict: "unknown"; readonly why: string };

/** One call of a method of a KV namespace, as the analysis found it. */
export interface KvCall extends Place {
  readonly operation: Operation;
  /** `get` with a list of keys. */
  readonly bulk: boolean;
  /** Names of the bindings that the receiver may be, sorted; empty when only its type is known. */
  readonly bindings: readonly string[];
  /** Enclosing classes and functions, for example `SessionStore.save`; `<module>` at the top level. */
  readonly scope: string;
  /** The call as canonical text: no comments, one spacing, one kind of quotes. */
  readonly code: string;
  /** Patterns of the key, sorted, for example `["session:{id}"]`; `{…}` stands for what is not known. Of a list: its prefix. */
  readonly keys: readonly string[];
  /** `null` but for puts. */
  readonly ttl: Ttl | null;
  /** How the receiver was followed to a namespace, a sentence a step. */
  readonly resolution: readonly string[];
  readonly confidence: Confidence;
  /** Empty when no handler is known to reach it. */
  readonly paths: readonly CallPath[];
  /** Loops around the call in its own function, from the outermost. */
  readonly loops: readonly Loop[];
  /** Operations per day, from an annotation `kv-optimizer:rate N/day` (or /hour, /minute, /second). */
  readonly ratePerDay: number | null;
  /** The reason of an ignore comment. */
  readonly ignored: string | null;
}

/** A comment of ours that does not do what its author wanted. */
export interface CommentFault extends Place {
  /** What is wrong and how to mend it. */
  readonly message: string;
}

/** What the analysis found in a tree. */
export interface Analysis {
  /** By file, line and column. */
  readonly calls: readonly KvCall[];
  readonly commentFaults: readonly CommentFault[];
  readonly unread: readonly Unread[];
  /** Names of KV bindings that configs or types declare, sorted. */
  readonly bindings: readonly string[];
  readonly files: number;
  readonly lines: number;
}

/** `A`: control plane. `B`: high frequency. `C`: cache. */
export const CATEGORIES = ["A", "B", "C"] as const;
export type Category = (typeof CATEGORIES)[number];

/** Where a call had better go. */
export const TARGETS = ["durable-object", "d1-unique", "d1", "ttl", "batch", "sharper-key", "keep"] as const;
export type Target = (typeof TARGETS)[number];

/** Operations a day, and what that rests on. */
export interface Estimate {
  /** `null` when no trigger, annotation or assumption says anything. */
  readonly perDay: number | null;
  /** What was counted and what was assumed, a sentence each. */
  readonly basis: readonly string[];
}

export interface Judgement {
  readonly category: Category;
  /** The rule that decided, for example `control-plane/lock`. */
  readonly rule: string;
  /** What that rule saw. */
  readonly why: string;
  readonly confidence: Confidence;
  readonly target: Target;
  /** What to do instead, in a sentence or two. */
  readonly advice: string;
  readonly estimate: Estimate;
  /** The larger, the sooner it should move. */
  readonly weight: number;
}

/** A call with its judgement and its name in baselines. */
export interface Finding extends KvCall {
  /** Content fingerprint: 16 hexadecimal digits. */
  readonly id: string;
  readonly judgement: Judgement;
}

export const DAY_QUOTAS = {
  /** Workers Free, operations a day and account. Source: developers.cloudflare.com/kv/platform/limits. */
  free: { reads: 100_000, writes: 1_000, deletes: 1_000, lists: 1_000 },
  /** Workers Paid: what a month includes, as a thirtieth of it. Source: developers.cloudflare.com/kv/platform/pricing. */
  paid: { reads: 333_333, writes: 33_333, deletes: 33_333, lists: 33_333 },
} as const;
export type Quota = keyof (typeof DAY_QUOTAS)["free"];

export interface QuotaUse {
  readonly quota: Quota;
  /** Operations a day of all findings that are not ignored. */
  readonly perDay: number;
  /** Findings whose rate is not known. */
  readonly unknown: number;
}

/** The four figures of the original tool, and what this one adds. */
export interface Totals {
  readonly calls: number;
  readonly puts: number;
  readonly putsWithoutTtl: number;
  /** Puts whose TTL could not be told. */
  readonly putsUnknownTtl: number;
  readonly lists: number;
  /** Calls of category A. */
  readonly controlPlane: number;
  readonly ignored: number;
}

/** What a scan takes for granted where neither sources nor annotations say it. */
export interface Assumptions {
  /** Requests a day that reach one handler. */
  readonly requestsPerDay: number;
  /** Messages a day that reach one queue handler. */
  readonly messagesPerDay: number;
  /** Turns of a loop whose count cannot be read. */
  readonly loopCount: number;
  /** A cron with less than so many minutes between two runs is high frequency. */
  readonly fastCronMinutes: number;
}

/** Everything of one scan. The totals leave out what is ignored; `findings` does not. */
export interface Report {
  readonly version: 1;
  readonly totals: Totals;
  readonly bindings: readonly string[];
  /** By file, line, column. */
  readonly findings: readonly Finding[];
  readonly quotas: readonly QuotaUse[];
  readonly commentFaults: readonly CommentFault[];
  readonly unread: readonly Unread[];
  readonly files: number;
  readonly lines: number;
  readonly assumptions: Assumptions;
}
