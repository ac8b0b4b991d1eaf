/** How often a rule is wrong about simulated phases, and how soon it is right. */
import type { GateSettings } from "../../contract.ts";
import { DEFAULT_GATE } from "../../plan.ts";
import type { BadCase, GoodCase } from "./cases.ts";
import { TENTH } from "./cases.ts";
import { FlaggerRule, StrataRule, type Rule } from "./rules.ts";
import { binomialLower } from "../tails.ts";
import { Simulation } from "./simulation.ts";
import { hubLoad, NUMBER, type World } from "./world.ts";

/** The defaults, and one number of a feature. */
export const TESTED_GATE: GateSettings = {
  ...DEFAULT_GATE,
  numbers: { [NUMBER]: { worse: "higher", tolerance: 0.5 } },
};

export interface Outcome {
  /** Why it was taken back; `null`: it was not. */
  readonly reason: string | null;
  readonly atMs: number;
  /** Requests that the defect had struck until then. */
  readonly harmed: number;
}

/** Runs one phase until the rule takes the canary back, or it is over. */
export function runPhase(world: World, rule: Rule, phaseMs: number): Outcome {
  const simulation = new Simulation(world);
  while (simulation.atMs < phaseMs) {
    const reason = rule.observe(simulation.tick(), simulation.atMs);
    if (reason !== null) return { reason, atMs: simulation.atMs, harmed: simulation.harmed };
  }
  return { reason: null, atMs: simulation.atMs, harmed: simulation.harmed };
}

export type RuleName = "strata" | "flagger";

export interface Setting {
  readonly phaseMs: number;
  readonly intervalMs: number;
  readonly runs: number;
  readonly seed: number;
  readonly rule: RuleName;
  /** Copies of reads instead of shares. */
  readonly copies?: boolean;
}

function ruleOf({ rule, intervalMs }: Setting, world: World, initialDelayMs: number): Rule {
  if (rule === "flagger") return new FlaggerRule();
  return new StrataRule(TESTED_GATE, world, intervalMs, initialDelayMs);
}

function outcomes(
  world: Omit<World, "seed" | "copies">,
  setting: Setting,
  initialDelayMs = 0,
): readonly Outcome[] {
  return Array.from({ length: setting.runs }, (_, index) => {
    const seeded = { ...world, copies: setting.copies ?? false, seed: setting.seed + index * 7_919 };
    return runPhase(seeded, ruleOf(setting, seeded, initialDelayMs), setting.phaseMs);
  });
}

/** Phases of a good release; one that was taken back is a false alarm. */
export function measureGood(
  { noise, loads, shares, initialDelayMs }: GoodCase,
  setting: Setting,
): readonly Outcome[] {
  return outcomes({ noise, loads, shares, defect: null }, setting, initialDelayMs);
}

/** Phases of a bad release at 10 % of `rate` requests per second; one that went through is a miss. */
export function measureBad(
  { defect, noise = {} }: BadCase,
  rate: number,
  setting: Setting,
): readonly Outcome[] {
  return outcomes(
    { noise: { errorShare: 0.001, ...noise }, loads: hubLoad(rate), shares: TENTH, defect },
    setting,
  );
}

/** The value in the place `q` (0–1) of the sorted ones; `null` of none. */
export function placed(values: readonly number[], q: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
}

const CONFIDENCE_STEPS = 40;

/** The greatest share that `hits` of `trials` leave possible, at 95 % confidence (Clopper, Pearson 1934). */
export function upperBound(hits: number, trials: number): number {
  let low = hits / trials;
  let high = 1;
  for (let step = 0; step < CONFIDENCE_STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (binomialLower(hits, trials, middle) > 0.05) low = middle;
    else high = middle;
  }
  return high;
}
