/** The battery's figures as Markdown tables, and what they must show. */
import type { Round } from "./rounds.ts";

/** Goals for a bad release. */
const MAX_SECONDS = 10;
const MAX_INTERVALS = 2;
const MAX_HARMED_SHARE = 0.005;

const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${((100 * part) / whole).toFixed(2)} %`;

const seconds = (value: number | null): string => (value === null ? "–" : value.toFixed(1));

const WHERE: Readonly<Record<Round["fate"], string>> = {
  promoted: "**promoted**",
  "taken back": "judge",
  copies: "judge, by copies",
  smoke: "smoke check",
  refused: "upload refused",
  held: "**held**",
  failed: "**failed**",
};

const STOPPED: ReadonlySet<Round["fate"]> = new Set(["taken back", "copies", "smoke", "refused"]);

/** One line for each kind of bad release. */
export function badTable(rounds: readonly Round[]): string {
  return [
    "| bad release | of | found by | in phase | seconds to 0 % | seconds of copies | requests harmed | share of all | reads spared |",
    "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ...rounds.map(({ kind, fate, phase, secondsToZero, secondsOfCopies, harmed, counted }) =>
      [
        "",
        kind.name,
        kind.worker,
        WHERE[fate],
        fate === "taken back" || fate === "copies" ? String(phase) : "–",
        seconds(secondsToZero),
        seconds(secondsOfCopies),
        `${harmed} of ${counted.requests}`,
        percent(harmed, counted.requests),
        String(counted.spared),
        "",
      ]
        .join(" | ")
        .trim(),
    ),
  ].join("\n");
}

/** The good releases in one line. */
export function goodTable(rounds: readonly Round[]): string {
  const sum = (value: (round: Round) => number): number =>
    rounds.reduce((total, round) => total + value(round), 0);
  const promoted = rounds.filter(({ fate }) => fate === "promoted").length;
  return [
    "| good releases | promoted | taken back | requests | failed |",
    "|--:|--:|--:|--:|--:|",
    `| ${rounds.length} | ${promoted} | ${rounds.length - promoted} | ${sum(({ counted }) => counted.requests)} | ${sum(({ counted }) => counted.failed)} |`,
  ].join("\n");
}

/** A sentence for each thing that is not as it must be; goals that are missed are told, too. */
export function verdict(
  bad: readonly Round[],
  good: readonly Round[],
  intervalMs: number,
): readonly string[] {
  const escaped = bad
    .filter(({ fate }) => !STOPPED.has(fate))
    .map(({ kind, fate, reason }) => `not taken back: ${kind.name} (${fate}) ${reason}`);
  const lost = good
    .filter(({ fate }) => fate !== "promoted")
    .map(({ kind, fate, reason }) => `a good one was not promoted: ${kind.name} (${fate}) ${reason}`);
  const failed = good
    .filter(({ counted }) => counted.failed > 0)
    .map(({ kind, counted }) => `${counted.failed} of ${counted.requests} requests failed in ${kind.name}`);
  const slow = bad
    .filter(
      ({ secondsToZero }) =>
        (secondsToZero ?? 0) > Math.max(MAX_SECONDS, (MAX_INTERVALS * intervalMs) / 1000),
    )
    .map(({ kind, secondsToZero }) => `goal missed: ${kind.name} took ${secondsToZero?.toFixed(1)} s`);
  const harmful = bad
    .filter(({ harmed, counted }) => harmed > MAX_HARMED_SHARE * counted.requests)
    .map(
      ({ kind, harmed, counted }) => `goal missed: ${kind.name} harmed ${percent(harmed, counted.requests)}`,
    );
  return [...escaped, ...lost, ...failed, ...slow, ...harmful];
}
