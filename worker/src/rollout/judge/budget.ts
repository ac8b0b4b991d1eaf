/**
 * How `falseAlarm`, the chance that a canary as good as the stable lane is failed in a
 * phase, is spent (Bonferroni: the parts add up to it, however the checks depend on each
 * other). Half goes to the alarms, half to the judgements. Of each half:
 * - half to what was counted since the phase began. Alarms look at E-processes, which
 *   may be looked at at any time. Judgements look at p-values, whose part is spent by
 *   doublings of the canary's sample: 1/((j+1)(j+2)) for the j-th, and an eighth of that
 *   for each single look, since the looks within a doubling hang together (stitching:
 *   Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics 49, 2021; the factor is that of
 *   a normal tail beyond 4, Siegmund 1985);
 * - half to the recent window, which begins anew with every interval: the k-th one to
 *   fit into the phase gets 1/(k(k+1)), and a sixth of that since its starts overlap;
 * - equal parts to the classes that have a share; of each, half to the class as a whole
 *   and half to its routes together;
 * - the metrics get what they are worth, see below.
 */

const FIRST_DOUBLING = 16;
const LOOKS_WITHIN_DOUBLING = 8;
const WINDOW_STARTS = 6;

/** Parts of the alarms; they add up to 1. */
export const ALARM_PARTS = { errors: 0.5, overdue: 0.25, exceptions: 0.125, answers: 0.125 } as const;

/** Parts of the judgements; they add up to 1. */
export const CHECK_PARTS = {
  errors: 0.3,
  exceptions: 0.05,
  overdue: 0.1,
  answers: 0.2,
  p50: 0.1,
  p95: 0.1,
  p99: 0.05,
  numbers: 0.1,
} as const;

export type Window = "total" | "recent";

/** The part of a window, where `total` and `recent` canary requests were counted in both. */
export function windowPart(window: Window, total: number, recent: number): number {
  if (window === "total") return 1 / 2;
  const k = Math.max(1, total / Math.max(1, recent));
  return 1 / (2 * WINDOW_STARTS * k * (k + 1));
}

/** The part of a class as a whole, or of one of its routes. */
export function scopePart(classes: number, route: string | null, routes: number): number {
  return route === null ? 1 / (2 * classes) : 1 / (2 * classes * Math.max(1, routes));
}

/** The alarms' half. */
export function alarmLevel(falseAlarm: number): number {
  return falseAlarm / 2;
}

/** The part of the judgements' half that one look at `sample` canary observations may spend. */
export function lookLevel(falseAlarm: number, window: Window, sample: number): number {
  if (window === "recent") return falseAlarm / 2;
  const doubling = Math.max(0, Math.floor(Math.log2(Math.max(1, sample) / FIRST_DOUBLING)));
  return falseAlarm / (2 * LOOKS_WITHIN_DOUBLING * (doubling + 1) * (doubling + 2));
}
