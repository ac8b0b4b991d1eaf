/** The command line as settings. Every fault of it is told at once. */
import { z } from "zod";
import { FAIL_RULES } from "../baseline/regressions.ts";
import type { Policy } from "../baseline/regressions.ts";
import type { Assumptions } from "../model.ts";
import { FORMATS, type Format } from "../report/index.ts";
import type { TreeOptions } from "../repository/index.ts";
import { UsageError } from "./exit.ts";

/** Where the program looks, and what it takes for granted. */
export interface SourceSettings {
  readonly root: string;
  readonly tree: TreeOptions;
  readonly assumptions: Assumptions;
}

export interface OutputSettings {
  readonly format: Format;
  /** `null`: standard output. */
  readonly out: string | null;
  readonly json: string | null;
  readonly all: boolean;
}

export interface ScanSettings extends SourceSettings, OutputSettings {
  readonly watch: boolean;
}

export type BaselineSource =
  | { readonly kind: "file"; readonly file: string }
  | { readonly kind: "commit"; readonly ref: string };

export interface CheckSettings extends SourceSettings, OutputSettings {
  readonly baseline: BaselineSource;
  readonly policy: Policy;
  readonly updateBaseline: boolean;
  readonly prune: boolean;
}

const text = z
  .string()
  .trim()
  .min(1, "needs a value")
  .refine((value) => !value.startsWith("--"), "needs a value, and the next flag stands in its place");

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, "must be a whole number from 0 up")
  .transform(Number);
const positive = wholeNumber.refine((value) => value > 0, "must be at least 1");
const allowance = z.union([z.literal("any").transform(() => Infinity), wholeNumber], {
  error: "must be a whole number from 0 up, or any",
});
const flag = z.boolean().default(false);

const failRules = text.transform((value, context) => {
  const names = value.split(",").map((name) => name.trim());
  const rules = FAIL_RULES.filter((rule) => names.includes(rule));
  const unknown = names.filter((name) => !FAIL_RULES.some((rule) => rule === name));
  if (unknown.length > 0) {
    context.addIssue(`does not know ${unknown.join(", ")}; it takes ${FAIL_RULES.join(", ")}`);
  }
  return rules;
});

const treeFlags = {
  root: text.default("."),
  includeTests: flag,
  includeFixtures: flag,
  includeGenerated: flag,
  exclude: z.array(text).default([]),
};

const assumptionFlags = {
  requestsPerDay: wholeNumber.optional(),
  messagesPerDay: wholeNumber.optional(),
  loopCount: positive.optional(),
  fastCron: positive.optional(),
};

const outputFlags = {
  format: z.enum(FORMATS, { error: `must be one of ${FORMATS.join(", ")}` }).default("text"),
  out: text.optional(),
  json: text.optional(),
  all: flag,
};

const sourceFlags = { ...treeFlags, ...assumptionFlags };

const scanFlags = z.object({ ...sourceFlags, ...outputFlags, watch: flag });

const checkFlags = z.object({
  ...sourceFlags,
  ...outputFlags,
  baseline: text.optional(),
  baselineCommit: text.optional(),
  allowTotalIncrease: allowance.default(0),
  allowPutsIncrease: allowance.default(0),
  allowPutsWithoutTtlIncrease: allowance.default(0),
  allowListsIncrease: allowance.default(0),
  failOn: failRules.default([]),
  updateBaseline: flag,
  prune: flag,
});

const explainFlags = z.object(sourceFlags);

type SourceFlags = z.output<typeof explainFlags>;

function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function faultsOf(error: z.ZodError): readonly string[] {
  return error.issues.map(({ path, message }) => `${flagName(String(path[0] ?? ""))} ${message}`);
}

/** What the parser of the command line met beside the flags' values. */
export interface RawFlags {
  readonly values: unknown;
  /** Sentences on flags that nobody knows and arguments too many. */
  readonly faults: readonly string[];
}

function parse<T>(schema: z.ZodType<T>, raw: RawFlags, together: readonly string[] = []): T {
  const parsed = schema.safeParse(raw.values);
  const faults = [...raw.faults, ...(parsed.success ? [] : faultsOf(parsed.error)), ...together];
  if (faults.length > 0 || !parsed.success) throw new UsageError(faults);
  return parsed.data;
}

function sourceSettings(flags: SourceFlags, defaults: Assumptions): SourceSettings {
  const { root, includeTests, includeFixtures, includeGenerated, exclude } = flags;
  return {
    root,
    tree: { includeTests, includeFixtures, includeGenerated, exclude },
    assumptions: {
      requestsPerDay: flags.requestsPerDay ?? defaults.requestsPerDay,
      messagesPerDay: flags.messagesPerDay ?? defaults.messagesPerDay,
      loopCount: flags.loopCount ?? defaults.loopCount,
      fastCronMinutes: flags.fastCron ?? defaults.fastCronMinutes,
    },
  };
}

function outputSettings(flags: z.output<typeof scanFlags> | z.output<typeof checkFlags>): OutputSettings {
  return { format: flags.format, out: flags.out ?? null, json: flags.json ?? null, all: flags.all };
}

/** The settings of `scan`. @throws {UsageError} with every fault */
export function scanSettings(raw: RawFlags, defaults: Assumptions): ScanSettings {
  const flags = parse(scanFlags, raw);
  return { ...sourceSettings(flags, defaults), ...outputSettings(flags), watch: flags.watch };
}

/** Flags that go with each other, looked at also when a value is faulty. */
const togetherFlags = z.object({
  baseline: z.unknown().optional(),
  baselineCommit: z.unknown().optional(),
  updateBaseline: z.unknown().optional(),
  prune: z.unknown().optional(),
});

function baselineFaults(values: unknown): readonly string[] {
  const { baseline, baselineCommit, updateBaseline, prune } = togetherFlags.parse(values);
  const faults: string[] = [];
  if ((baseline === undefined) === (baselineCommit === undefined)) {
    faults.push("check needs one of --baseline FILE and --baseline-commit REF");
  }
  if (baselineCommit !== undefined && (updateBaseline === true || prune === true)) {
    faults.push("--update-baseline and --prune write a file, and --baseline-commit names none");
  }
  if (updateBaseline === true && prune === true) {
    faults.push("--update-baseline writes everything, --prune only takes out: say one of them");
  }
  return faults;
}

/** The settings of `check`. @throws {UsageError} with every fault */
export function checkSettings(raw: RawFlags, defaults: Assumptions): CheckSettings {
  const flags = parse(checkFlags, raw, baselineFaults(raw.values));
  const baseline: BaselineSource =
    flags.baselineCommit === undefined
      ? { kind: "file", file: flags.baseline ?? "" }
      : { kind: "commit", ref: flags.baselineCommit };
  return {
    ...sourceSettings(flags, defaults),
    ...outputSettings(flags),
    baseline,
    policy: {
      failOn: flags.failOn,
      allowances: {
        calls: flags.allowTotalIncrease,
        puts: flags.allowPutsIncrease,
        putsWithoutTtl: flags.allowPutsWithoutTtlIncrease,
        lists: flags.allowListsIncrease,
      },
    },
    updateBaseline: flags.updateBaseline,
    prune: flags.prune,
  };
}

/** The settings of `explain`. @throws {UsageError} with every fault */
export function explainSettings(raw: RawFlags, defaults: Assumptions): SourceSettings {
  return sourceSettings(parse(explainFlags, raw), defaults);
}
