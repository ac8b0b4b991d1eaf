/** Plan files for the end-to-end tests: phases as short as a busy machine allows. */
import type { PlanInput } from "../../../worker/src/rollout/plan.ts";

const PHASES = [
  { shares: { read: 10 } },
  { shares: { read: 100, write: 10, background: 10 } },
  { shares: { read: 100, write: 100, background: 100 } },
];
/** Needs no traffic: it judges and tells, and a phase is over when its soak is. */
export const UNJUDGED: PlanInput = {
  intervalMs: 200,
  gate: { dryRun: true },
  phases: PHASES.map((phase) => ({ ...phase, soakMs: 400 })),
};

/** Needs traffic. Only errors count: the machine that runs the tests is slow at times. */
export const JUDGED: PlanInput = {
  intervalMs: 500,
  overdueMs: 20_000,
  gate: {
    minSample: { read: 10, write: 3, background: 1 },
    passLimit: 2,
    failLimit: 2,
    latency: { tolerance: 100, slackMs: 20_000 },
  },
  phases: PHASES.map((phase) => ({ ...phase, soakMs: 1_500 })),
};

/** The text of a plan file. */
export function planText(plan: PlanInput): string {
  return `export default ${JSON.stringify(plan)};\n`;
}
