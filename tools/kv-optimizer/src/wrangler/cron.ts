/**
 * Cron expressions as Cloudflare reads them: five fields, UTC, with Quartz's `L`, `W` and `#`,
 * and weekdays from 1 (Sunday) to 7. Where both the day of the month and the weekday are
 * restricted, either suffices.
 * Source: developers.cloudflare.com/workers/configuration/cron-triggers and the grammar of
 * github.com/cloudflare/saffron, the parser behind Cron Triggers.
 */

/** Which days of a month match, given the month's length and the weekday (0 is Sunday) of its first day. */
type DayRule = (day: number, length: number, firstWeekday: number) => boolean;

interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** `null` when every day matches. */
  readonly dayOfMonth: DayRule | null;
  readonly weekday: DayRule | null;
}

interface Field {
  readonly min: number;
  readonly max: number;
  /** Names of values, the first for `min`. */
  readonly names: readonly string[];
}

const MINUTE: Field = { min: 0, max: 59, names: [] };
const HOUR: Field = { min: 0, max: 23, names: [] };
const DAY: Field = { min: 1, max: 31, names: [] };
const MONTH: Field = {
  min: 1,
  max: 12,
  names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Field = { min: 1, max: 7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

const DAYS_OF_400_YEARS = 146_097;

/** How often a cron runs a day, averaged over the 400 years after which the calendar repeats; `null` for what Cloudflare does not take. */
export function runsPerDay(cron: string): number | null {
  const read = readCron(cron);
  if (read === null) return null;
  let days = 0;
  for (const { month, length, firstWeekday, times } of MONTHS) {
    if (!read.months.has(month)) continue;
    for (let day = 1; day <= length; day++) if (runsOn(read, day, length, firstWeekday)) days += times;
  }
  return (read.minutes.size * read.hours.size * days) / DAYS_OF_400_YEARS;
}

/**
 * The shortest time between two runs on a day on which the cron runs, in minutes; 1,440 for
 * one run a day, `null` for what Cloudflare does not take.
 */
export function shortestGapMinutes(cron: string): number | null {
  const read = readCron(cron);
  if (read === null) return null;
  const minutes = [...read.hours].flatMap((hour) => [...read.minutes].map((minute) => hour * 60 + minute));
  minutes.sort((a, b) => a - b);
  return minutes.reduce((gap, at, index) => Math.min(gap, at - (minutes[index - 1] ?? -Infinity)), 1_440);
}

function runsOn({ dayOfMonth, weekday }: Cron, day: number, length: number, firstWeekday: number): boolean {
  if (dayOfMonth === null && weekday === null) return true;
  return dayOfMonth?.(day, length, firstWeekday) === true || weekday?.(day, length, firstWeekday) === true;
}

function readCron(cron: string): Cron | null {
  const fields = cron.trim().split(/[ \t]+/);
  if (fields.length !== 5) return null;
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields.map((field) =>
    field.toUpperCase(),
  );
  const minutes = readValues(minute, MINUTE);
  const hours = readValues(hour, HOUR);
  const months = readValues(month, MONTH);
  const dayOfMonth = readDayOfMonth(day);
  const dayOfWeek = readWeekday(weekday);
  if (minutes === null || hours === null || months === null) return null;
  if (dayOfMonth === undefined || dayOfWeek === undefined) return null;
  return { minutes, hours, months, dayOfMonth, weekday: dayOfWeek };
}

/** `*`, or a list of values, ranges and steps; a range whose end comes before its start wraps around. */
function readValues(text: string, field: Field): ReadonlySet<number> | null {
  const values = new Set<number>();
  if (text === "*") return new Set(range(field.min, field.max));
  for (const part of text.split(",")) {
    const read = readPart(part, field);
    if (read === null) return null;
    for (const value of read) values.add(value);
  }
  return values;
}

function readPart(part: string, field: Field): readonly number[] | null {
  const [span = "", stepText, ...rest] = part.split("/");
  if (rest.length > 0) return null;
  const step = stepText === undefined ? 1 : readNumber(stepText, 1, field.max - field.min);
  if (step === null) return null;
  if (span === "*") return stepText === undefined ? null : everyNth(range(field.min, field.max), step);

  const [startText = "", endText, ...more] = span.split("-");
  const start = readValue(startText, field);
  if (start === null || more.length > 0) return null;
  if (endText === undefined) {
    return stepText === undefined ? [start] : everyNth(range(start, field.max), step);
  }
  const end = readValue(endText, field);
  if (end === null) return null;
  const wrapped = start <= end ? range(start, end) : [...range(start, field.max), ...range(field.min, end)];
  return everyNth(wrapped, step);
}

function readValue(text: string, { min, max, names }: Field): number | null {
  const named = names.indexOf(text);
  return named === -1 ? readNumber(text, min, max) : min + named;
}

function readNumber(text: string, min: number, max: number): number | null {
  if (!/^\d{1,3}$/.test(text)) return null;
  const value = Number(text);
  return value >= min && value <= max ? value : null;
}

/** `undefined` for what cannot be read. */
function readDayOfMonth(text: string): DayRule | null | undefined {
  if (text === "*") return null;
  const last = /^L(?:-(\d+))?(W)?$/.exec(text);
  if (last !== null) {
    const offset = last[1] === undefined ? 0 : readNumber(last[1], 1, 30);
    if (offset === null) return undefined;
    const wanted = (length: number): number => length - offset;
    return last[2] === undefined ? (day, length) => day === wanted(length) : nearestWeekday(wanted);
  }
  const nearest = /^(\d+)W$/.exec(text);
  if (nearest !== null) {
    const wanted = readNumber(nearest[1] ?? "", DAY.min, DAY.max);
    return wanted === null ? undefined : nearestWeekday(() => wanted);
  }
  const days = readValues(text, DAY);
  return days === null ? undefined : (day) => days.has(day);
}

/** The Monday to Friday that is nearest to a day, in the same month. */
function nearestWeekday(wantedIn: (length: number) => number): DayRule {
  return (day, length, firstWeekday) => {
    const wanted = wantedIn(length);
    if (wanted < 1 || wanted > length) return false;
    switch (weekdayOf(wanted, firstWeekday)) {
      case 6:
        return day === (wanted === 1 ? 3 : wanted - 1);
      case 0:
        return day === (wanted === length ? wanted - 2 : wanted + 1);
      default:
        return day === wanted;
    }
  };
}

/** `undefined` for what cannot be read. */
function readWeekday(text: string): DayRule | null | undefined {
  if (text === "*") return null;
  if (text === "L") return (day, _, firstWeekday) => weekdayOf(day, firstWeekday) === 6;
  const special = /^(\w+)(?:L|#([1-5]))$/.exec(text);
  const value = special === null ? null : readValue(special[1] ?? "", WEEKDAY);
  if (special !== null && value !== null) {
    const nth = special[2] === undefined ? null : Number(special[2]);
    return (day, length, firstWeekday) =>
      weekdayOf(day, firstWeekday) === value - 1 &&
      (nth === null ? day + 7 > length : Math.ceil(day / 7) === nth);
  }
  const values = readValues(text, WEEKDAY);
  return values === null ? undefined : (day, _, firstWeekday) => values.has(weekdayOf(day, firstWeekday) + 1);
}

function weekdayOf(day: number, firstWeekday: number): number {
  return (firstWeekday + day - 1) % 7;
}

function range(start: number, end: number): readonly number[] {
  return Array.from({ length: Math.max(0, end - start + 1) }, (_, index) => start + index);
}

function everyNth(values: readonly number[], step: number): readonly number[] {
  return values.filter((_, index) => index % step === 0);
}

/** A month by all that matters here, and how often it occurs in 400 years. */
interface MonthKind {
  readonly month: number;
  readonly length: number;
  readonly firstWeekday: number;
  readonly times: number;
}

const MONTHS: readonly MonthKind[] = countMonths();

function countMonths(): readonly MonthKind[] {
  const kinds = new Map<string, MonthKind>();
  for (let index = 0; index < 400 * 12; index++) {
    const year = 2000 + Math.floor(index / 12);
    const month = (index % 12) + 1;
    const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
    const firstWeekday = new Date(Date.UTC(year, month - 1, 1)).getUTCDay();
    const key = `${month} ${length} ${firstWeekday}`;
    kinds.set(key, { month, length, firstWeekday, times: (kinds.get(key)?.times ?? 0) + 1 });
  }
  return [...kinds.values()];
}
