/** Points in time as clients write them. */

/** The last millisecond that a `Date` can hold (ECMA-262, time values). */
export const MAX_TIME_MS = 8_640_000_000_000_000;
export const MIN_TIME_MS = -MAX_TIME_MS;

const INTEGER = /^-?\d{1,16}$/;
/** Milliseconds within ten seconds of the epoch, or a year: nobody means the first. `0` is all time since 1970. */
const MAYBE_YEAR = /^(?!-?0+$)-?\d{1,4}$/;
/** A `+` that a query's decoder has turned into a space. */
const DECODED_ZONE = /^\d{4}-\d{2}-\d{2}T[\d:.]+ \d{2}:\d{2}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** `Date.parse` rolls 30 February over to March; a calendar does not. */
function isCalendarDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}

/**
 * Milliseconds since the epoch of an ISO 8601 date, an ISO 8601 date-time with
 * a zone, or an integer of milliseconds; `null` for anything else, also for a
 * number that may be a year.
 */
export function parseTime(text: string): number | null {
  if (MAYBE_YEAR.test(text)) return null;
  if (INTEGER.test(text)) {
    const ms = Number(text);
    return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS ? ms : null;
  }
  const day = DATE.test(text) ? text : DATE_TIME.exec(text)?.[1];
  if (day === undefined || !isCalendarDay(day)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** What is wrong with a text of which `parseTime` makes nothing. */
export function timeFault(text: string): string {
  if (MAYBE_YEAR.test(text)) {
    return "must not be a number of fewer than five digits, which may be a year: write a date, for example 2002-01-01";
  }
  if (DECODED_ZONE.test(text)) {
    return "must have the + of its zone written as %2B: a bare + in a query is a space";
  }
  return "must be an ISO 8601 date, a date-time with a zone (2026-11-22T08:00:00Z), or integer milliseconds since 1970";
}
