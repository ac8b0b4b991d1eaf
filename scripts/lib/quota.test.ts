import { readFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultSettings, topology } from "../../infra/topology.ts";
import { MEASURED, quotas, runsPerDay } from "./quota.ts";

/** A field of a cron expression with the values that it names: slow and obvious. */
interface Field {
  readonly text: string;
  readonly values: ReadonlySet<number>;
}

function fieldOf(size: number): fc.Arbitrary<Field> {
  const value = fc.integer({ min: 0, max: size - 1 });
  const step = fc.integer({ min: 1, max: size });
  const every = (from: number, to: number, by: number): ReadonlySet<number> => {
    const values = new Set<number>();
    for (let at = from; at <= to; at += by) values.add(at);
    return values;
  };
  const part = fc.oneof(
    fc.constant<Field>({ text: "*", values: every(0, size - 1, 1) }),
    value.map((at): Field => ({ text: `${at}`, values: new Set([at]) })),
    step.map((by): Field => ({ text: `*/${by}`, values: every(0, size - 1, by) })),
    fc
      .tuple(value, step)
      .map(([from, by]): Field => ({ text: `${from}/${by}`, values: every(from, size - 1, by) })),
    fc.tuple(value, value).map(([a, b]): Field => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      return { text: `${from}-${to}`, values: every(from, to, 1) };
    }),
    fc.tuple(value, value, step).map(([a, b, by]): Field => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      return { text: `${from}-${to}/${by}`, values: every(from, to, by) };
    }),
  );
  return fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(","),
    values: new Set(parts.flatMap(({ values }) => [...values])),
  }));
}

describe("runs of a cron a day", () => {
  it.each([
    ["* * * * *", 1_440],
    ["*/5 * * * *", 288],
    ["7 * * * *", 24],
    ["0,30 8-17 * * *", 20],
    ["0 0 * * 1", 1],
    ["15/20 */6 1 JAN MON-FRI", 12],
    ["0-10,5-15 3 L * *", 16],
  ])("are, of %s, %i", (cron, runs) => {
    expect(runsPerDay(cron)).toBe(runs);
  });

  it("are the minutes of a day that both fields name, whatever they look like", () => {
    fc.assert(
      fc.property(fieldOf(60), fieldOf(24), (minute, hour) => {
        let runs = 0;
        for (let at = 0; at < 24 * 60; at += 1) {
          if (minute.values.has(at % 60) && hour.values.has(Math.floor(at / 60))) runs += 1;
        }
        expect(runsPerDay(`${minute.text} ${hour.text} * * *`)).toBe(runs);
      }),
    );
  });
});

/** The row of the page's `cost` section under `title`, column "1 a request", for one of a million. */
function rowOf(page: string, title: string, name: string): number {
  const table = page.slice(page.indexOf(`**${title}**`));
  const cells = table
    .split("\n")
    .find((line) => line.startsWith(`| ${name} `))
    ?.split("|");
  return Number((cells?.[2] ?? "").replaceAll(",", "").trim()) / 1_000_000;
}

/** The greatest that one page took: a request is a page, and a column's last pages may be short. */
function worstOf(page: string, title: string, name: string): number {
  const table = page.slice(page.indexOf(`**${title}**`)).split("\n");
  const cells = (wanted: string): readonly number[] =>
    (table.find((line) => line.startsWith(`| ${wanted} `)) ?? "")
      .split("|")
      .slice(2, -1)
      .map((cell) => Number(cell.replaceAll(",", "").trim()));
  const pages = cells(NAMES.requests);
  return Math.max(...cells(name).map((uses, column) => uses / (pages[column] ?? Number.NaN)));
}

const NAMES = {
  requests: "Workers requests",
  d1RowsRead: "D1 rows read",
  d1RowsWritten: "D1 rows written",
  r2ClassA: "R2 class A",
  r2ClassB: "R2 class B",
  queueOperations: "Queues operations",
} as const;

/** Whether a figure is as much as the page says, rounded up, and not a quarter more. */
function bounds(measured: number): (figure: number) => boolean {
  return (figure) => figure >= measured && figure <= Math.ceil(1.25 * measured);
}

const IDLE_ROUND = /(\d+) rows read, (\d+) written, (\d+) class A, (\d+) class B/;

describe("the figures of the bench", () => {
  const benchmarks = (): Promise<string> =>
    readFile(path.resolve(import.meta.dirname, "../../docs/benchmarks.md"), "utf8");
  const figureOf = (uses: Readonly<Record<string, number>>, key: string): number | undefined => uses[key];

  it.each(Object.entries(NAMES))("are not exceeded by a write: %s", async (key, name) => {
    const page = await benchmarks();
    const received = rowOf(page, "Counted: received and made hot", name);
    const archived = rowOf(page, "Counted: archived, compacted, cleared", name);
    expect(figureOf(MEASURED.write, key)).toSatisfy(bounds(received + archived));
  });

  it.each(Object.entries(NAMES))("are not exceeded by a page that is read: %s", async (key, name) => {
    const worst = worstOf(await benchmarks(), "Counted: all read once, pages of 1,000", name);
    expect(figureOf(MEASURED.read, key)).toSatisfy(bounds(worst));
  });

  it("are not exceeded by a run that finds nothing to do", async () => {
    const measured = IDLE_ROUND.exec(await benchmarks());
    const { d1RowsRead, d1RowsWritten, r2ClassA, r2ClassB } = MEASURED.idleRun;
    const figures = [d1RowsRead, d1RowsWritten, r2ClassA, r2ClassB];
    expect(figures).toSatisfy((all: typeof figures) =>
      all.every((figure, index) => bounds(Number(measured?.[index + 1]))(figure)),
    );
  });
});

describe("the estimates of a topology", () => {
  it("grow with its crons", () => {
    const idle = (archiveCrons: readonly string[]): readonly number[] =>
      quotas(topology("staging", { ...defaultSettings("staging"), archiveCrons })).map(
        ({ idlePerDay }) => idlePerDay,
      );
    const hourly = idle(["7 * * * *"]);
    expect(idle(["7 * * * *", "37 * * * *"])).toEqual(hourly.map((uses) => 2 * uses));
    expect(Math.max(...hourly)).toBe(24 * 55);
  });

  it("are finite and not negative, and each has an allowance", () => {
    for (const { idlePerDay, perWrite, perRead, free } of quotas(topology("production"))) {
      const uses = [idlePerDay, perWrite, perRead];
      expect(uses.every((use) => Number.isFinite(use) && use >= 0)).toBe(true);
      expect(free).toBeGreaterThan(0);
    }
  });
});
