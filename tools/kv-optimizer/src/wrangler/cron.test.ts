import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runsPerDay, shortestGapMinutes } from "./cron.ts";

/** A field of an expression, and what it means for a date, said without the parser. */
interface Meaning {
  readonly text: string;
  readonly holds: (date: Date) => boolean;
}

type Read = (date: Date) => number;

const minute: Read = (date) => date.getUTCMinutes();
const hour: Read = (date) => date.getUTCHours();
const day: Read = (date) => date.getUTCDate();
const month: Read = (date) => date.getUTCMonth() + 1;
const weekday: Read = (date) => date.getUTCDay() + 1;

const ALL: Meaning = { text: "*", holds: () => true };

/** Values, ranges (which may wrap) and steps, as a list. */
function listOf(read: Read, min: number, max: number): fc.Arbitrary<Meaning> {
  const value = fc.integer({ min, max });
  const step = fc.integer({ min: 1, max: max - min });
  const size = max - min + 1;
  const after = (from: number, date: Date): number => (read(date) - from + size) % size;
  const part = fc.oneof(
    value.map((one): Meaning => ({ text: `${one}`, holds: (date) => read(date) === one })),
    fc.tuple(value, value).map(([start, end]): Meaning => ({
      text: `${start}-${end}`,
      holds: (date) => after(start, date) <= (end - start + size) % size,
    })),
    fc.tuple(value, value, step).map(([start, end, by]): Meaning => ({
      text: `${start}-${end}/${by}`,
      holds: (date) => after(start, date) <= (end - start + size) % size && after(start, date) % by === 0,
    })),
    fc.tuple(value, step).map(([start, by]): Meaning => ({
      text: `${start}/${by}`,
      holds: (date) => read(date) >= start && (read(date) - start) % by === 0,
    })),
    step.map((by): Meaning => ({ text: `*/${by}`, holds: (date) => (read(date) - min) % by === 0 })),
  );
  return fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(","),
    holds: (date) => parts.some(({ holds }) => holds(date)),
  }));
}

function plusDays(date: Date, days: number): Date {
  return new Date(date.getTime() + days * 86_400_000);
}

function isSameMonth(a: Date, b: Date): boolean {
  return month(a) === month(b);
}

function lengthOfMonth(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

/** Goes out from the wanted day, one day back and forth, to the first Monday to Friday of the month. */
function isNearestWeekday(date: Date, wanted: number): boolean {
  if (wanted < 1 || wanted > lengthOfMonth(date)) return false;
  const target = plusDays(date, wanted - day(date));
  for (const shift of [0, -1, 1, -2, 2]) {
    const near = plusDays(target, shift);
    if (isSameMonth(near, target) && ![1, 7].includes(weekday(near))) return day(near) === day(date);
  }
  return false;
}

const dayOfMonth: fc.Arbitrary<Meaning> = fc.oneof(
  fc.constant(ALL),
  listOf(day, 1, 31),
  fc.constant<Meaning>({ text: "L", holds: (date) => day(date) === lengthOfMonth(date) }),
  fc.integer({ min: 1, max: 30 }).map((back): Meaning => ({
    text: `L-${back}`,
    holds: (date) => day(date) === lengthOfMonth(date) - back,
  })),
  fc.constant<Meaning>({ text: "LW", holds: (date) => isNearestWeekday(date, lengthOfMonth(date)) }),
  fc.integer({ min: 1, max: 30 }).map((back): Meaning => ({
    text: `L-${back}W`,
    holds: (date) => isNearestWeekday(date, lengthOfMonth(date) - back),
  })),
  fc.integer({ min: 1, max: 31 }).map((wanted): Meaning => ({
    text: `${wanted}W`,
    holds: (date) => isNearestWeekday(date, wanted),
  })),
);

const dayOfWeek: fc.Arbitrary<Meaning> = fc.oneof(
  fc.constant(ALL),
  listOf(weekday, 1, 7),
  fc.constant<Meaning>({ text: "L", holds: (date) => weekday(date) === 7 }),
  fc.integer({ min: 1, max: 7 }).map((wanted): Meaning => ({
    text: `${wanted}L`,
    holds: (date) => weekday(date) === wanted && !isSameMonth(date, plusDays(date, 7)),
  })),
  fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 })).map(([wanted, nth]): Meaning => ({
    text: `${wanted}#${nth}`,
    holds: (date) =>
      weekday(date) === wanted &&
      isSameMonth(date, plusDays(date, -7 * (nth - 1))) &&
      !isSameMonth(date, plusDays(date, -7 * nth)),
  })),
);

describe("runsPerDay", () => {
  it(
    "counts what a walk through all days of the calendar, and all minutes of a day, counts",
    { timeout: 60_000 },
    () => {
      const start = Date.UTC(2000, 0, 1);
      const allDays = Array.from({ length: 146_097 }, (_, index) => new Date(start + index * 86_400_000));
      const allMinutes = Array.from({ length: 1_440 }, (_, index) => new Date(start + index * 60_000));
      const fields = fc.tuple(
        fc.oneof(fc.constant(ALL), listOf(minute, 0, 59)),
        fc.oneof(fc.constant(ALL), listOf(hour, 0, 23)),
        dayOfMonth,
        fc.oneof(fc.constant(ALL), listOf(month, 1, 12)),
        dayOfWeek,
      );
      fc.assert(
        fc.property(fields, ([minutes, hours, days, months, weekdays]) => {
          const eitherDay = days !== ALL && weekdays !== ALL;
          const onDay = (date: Date): boolean =>
            eitherDay ? days.holds(date) || weekdays.holds(date) : days.holds(date) && weekdays.holds(date);
          const runsADay = allMinutes.filter((date) => minutes.holds(date) && hours.holds(date)).length;
          const daysWithRuns = allDays.filter((date) => months.holds(date) && onDay(date)).length;
          const cron = [minutes, hours, days, months, weekdays].map(({ text }) => text).join(" ");
          expect(runsPerDay(cron)).toBeCloseTo((runsADay * daysWithRuns) / allDays.length, 9);
        }),
        { numRuns: 25 },
      );
    },
  );

  it("counts what a walk through every minute of a year without leap day counts", () => {
    const year = Array.from(
      { length: 365 * 1_440 },
      (_, index) => new Date(Date.UTC(2023, 0, 1) + index * 60_000),
    );
    const matches = (date: Date): boolean =>
      date.getUTCMinutes() % 20 === 0 && date.getUTCHours() >= 22 && date.getUTCMonth() === 2;
    expect(runsPerDay("*/20 22-23 * 3 *")).toBeCloseTo(year.filter(matches).length / 365.2425, 9);
  });

  it.each([
    ["* * * * *", 1_440],
    ["*/5 * * * *", 288],
    ["0 */6 * * *", 4],
    ["0 17 * * sun", 1 / 7],
    ["0 17 * * 1", 1 / 7],
    ["10 7 * * mon-fri", 5 / 7],
    ["10 7 * * 2-6", 5 / 7],
    ["0 0 * * FRI-MON", 4 / 7],
    ["0 15 1 * *", 12 / 365.2425],
    ["0 18 * * friL", 12 / 365.2425],
    ["59 23 LW * *", 12 / 365.2425],
    ["0 0 29 FEB *", 97 / 146_097],
    ["0 0 31 nov *", 0],
    ["50-10/10 * * * *", 3 * 24],
    ["  0   0 * * *  ", 1],
  ])("reads %j as the documentation does", (cron, expected) => {
    expect(runsPerDay(cron)).toBeCloseTo(expected, 9);
  });

  it.each([
    "",
    "* * * *",
    "0 * * * * *",
    "@daily",
    "60 * * * *",
    "*/0 * * * *",
    "*/60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 13 *",
    "0 9 * * 0",
    "0 9 * * 8",
    "0 9 * * MON#6",
    "0 9 L,1 * *",
    "0 9 L-31 * *",
    "*,5 * * * *",
    "1-2-3 * * * *",
    "1/2/3 * * * *",
    "-5 * * * *",
    "1.5 * * * *",
    "a b c d e",
  ])("does not read %j", (cron) => {
    expect(runsPerDay(cron)).toBeNull();
    expect(shortestGapMinutes(cron)).toBeNull();
  });
});

describe("shortestGapMinutes", () => {
  it.each([
    ["* * * * *", 1],
    ["*/15 * * * *", 15],
    ["0,50 * * * *", 10],
    ["30 8,20 * * *", 720],
    ["0 0 * * *", 1_440],
    ["*/5 9-17 * * mon-fri", 5],
  ])("of %j is %d", (cron, minutes) => {
    expect(shortestGapMinutes(cron)).toBe(minutes);
  });
});
