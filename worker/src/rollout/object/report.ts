/** What an isolate reports of its requests, and what a report must look like to be counted. */
import { z } from "zod";
import { TRAFFIC_CLASSES, type Series } from "../contract.ts";
import { kindParts } from "../judge/answers.ts";
import { LAST_BUCKET } from "../judge/histogram.ts";

/** One numbered batch of an isolate. */
export interface Report {
  /** Which isolate counted. */
  readonly reporter: string;
  /** Grows with each batch of an isolate. */
  readonly sequence: number;
  readonly rolloutId: string;
  readonly phase: number;
  readonly series: readonly Series[];
}

/** More than an isolate has routes, times lanes and classes. */
const MAX_SERIES = 500;
const MAX_KINDS = 64;
const MAX_COUNT = 1e12;
/** Answers that are no sign of anything. */
const GOOD = /^[23]xx /;

const Count = z.int().min(0).max(MAX_COUNT);
const Name = z.string().min(1).max(200);

const HistogramSchema = z
  .array(z.tuple([z.int().min(0).max(LAST_BUCKET), Count]).readonly())
  .refine(
    (buckets) => buckets.every(([bucket], index) => bucket > (buckets[index - 1]?.[0] ?? -1)),
    "must ascend",
  )
  .readonly();

const Groups = z.int().min(0).max(0xff_ff_ff_ff);

function few<S extends z.ZodType>(values: S) {
  return z.record(Name, values).refine((record) => Object.keys(record).length <= MAX_KINDS, "must be fewer");
}

/** The sum of a number stays finite, however many are added up. */
const MAX_SUM = 1e200;

const NumberSchema = z.strictObject({
  count: Count,
  sum: z.number().min(-MAX_SUM).max(MAX_SUM),
  histogram: HistogramSchema,
});

export const SeriesSchema = z
  .strictObject({
    lane: z.enum(["stable", "canary"]),
    traffic: z.enum(TRAFFIC_CLASSES),
    route: Name,
    requests: Count,
    errors: Count,
    exceptions: Count,
    overdue: Count,
    fallbacks: Count,
    latency: HistogramSchema,
    answers: few(Count),
    numbers: few(NumberSchema),
    // An isolate of the version before this field tells of nobody.
    clients: z
      .strictObject({ seen: Groups, failed: Groups, answers: few(Groups) })
      .readonly()
      .nullable()
      .default(null),
  })
  .readonly() satisfies z.ZodType<Series>;

const HeadSchema = z.strictObject({
  reporter: z.string().min(1).max(64),
  sequence: z.int().min(0),
  rolloutId: z.string().min(1).max(64),
  phase: z.int().min(0),
  series: z.array(z.unknown()).max(MAX_SERIES),
});

/** What can be counted of a report, and what of it was refused, each in words. */
export interface ReadReport {
  /** `null`: nothing. */
  readonly report: Report | null;
  readonly refused: readonly string[];
}

function faultText(where: string, { issues }: z.ZodError): string {
  const [fault] = issues;
  return `${[where, ...(fault?.path ?? []).map(String)].filter((part) => part !== "").join("/")}: ${fault?.message ?? ""}`;
}

interface ReadSeries {
  readonly series: Series | null;
  readonly refused: readonly string[];
}

const WithNumbersSchema = z.looseObject({ numbers: z.record(z.string(), z.unknown()) });

/** Numbers come from features: a wrong one takes no errors and no latency along. */
function readSeries(value: unknown, where: string): ReadSeries {
  const whole = SeriesSchema.safeParse(value);
  if (whole.success) return { series: whole.data, refused: [] };
  const refused = [faultText(where, whole.error)];
  const outline = WithNumbersSchema.safeParse(value);
  if (!outline.success) return { series: null, refused };
  const good = Object.entries(outline.data.numbers).filter(
    ([name, number]) => Name.safeParse(name).success && NumberSchema.safeParse(number).success,
  );
  const numbers = Object.fromEntries(good.slice(0, MAX_KINDS));
  const rest = SeriesSchema.safeParse({ ...outline.data, numbers });
  if (rest.success) return { series: rest.data, refused };
  return { series: null, refused: [faultText(where, rest.error)] };
}

/** Reads a report: a series or a number in it that is faulty is refused alone. */
export function readReport(input: unknown): ReadReport {
  const head = HeadSchema.safeParse(input);
  if (!head.success) return { report: null, refused: [faultText("", head.error)] };
  const read = head.data.series.map((value, index) => readSeries(value, `series/${index}`));
  const series = read.flatMap((one) => (one.series === null ? [] : [one.series]));
  return { report: { ...head.data, series }, refused: read.flatMap(({ refused }) => refused) };
}

/** Whether a batch holds something that may speak against the canary, so that it is looked at now. */
export function isSuspicious({ series }: Report): boolean {
  return series.some(
    ({ lane, errors, exceptions, overdue, answers }) =>
      lane === "canary" &&
      (errors + exceptions + overdue > 0 ||
        Object.keys(answers).some((kind) => !GOOD.test(kindParts(kind).answer))),
  );
}
