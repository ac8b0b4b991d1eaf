/** A rollout in words, for progress lines, status and errors. */
import {
  TRAFFIC_CLASSES,
  type Check,
  type RolloutState,
  type RolloutStatus,
  type Shares,
  type TrafficClass,
} from "../../../worker/src/rollout/contract.ts";

const OPEN: ReadonlySet<RolloutStatus> = new Set([
  "preparing",
  "running",
  "paused",
  "promoting",
  "rolling-back",
  "frozen",
]);

/** Whether a rollout is under way: nothing else may begin. */
export function isOpen({ status }: RolloutState): boolean {
  return OPEN.has(status);
}

const CLASS_NAMES: Readonly<Record<TrafficClass, string>> = {
  read: "reads",
  write: "writes",
  background: "background",
};

/** `10 % of reads, 0 % of writes, 0 % of background` */
export function sharesText(shares: Shares): string {
  return TRAFFIC_CLASSES.map((traffic) => `${shares[traffic]} % of ${CLASS_NAMES[traffic]}`).join(", ");
}

/** One line about where a rollout stands. */
export function describeRollout(state: RolloutState): string {
  const { id, status, phase, shares, release, plan } = state;
  const what = `rollout ${id ?? "(none)"} of ${release?.tag ?? "nothing"}`;
  return isOpen(state)
    ? `${what}: ${status} in phase ${phase} of ${plan?.phases.length ?? 0} (${sharesText(shares)})`
    : `${what}: ${status} in phase ${phase}`;
}

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1000))} s`;

/** What the present phase has seen and what it still needs, in one line. @param now milliseconds UTC */
export function phaseText(state: RolloutState, now: number): string {
  const { judgement, plan, phase, phaseStartedAt, pause } = state;
  const parts: string[] = [];
  if (judgement !== null) {
    const seen = TRAFFIC_CLASSES.filter((traffic) => judgement.figures.canary[traffic].requests > 0).map(
      (traffic) => {
        const { requests, errors } = judgement.figures.canary[traffic];
        return `${requests} ${CLASS_NAMES[traffic]}, ${errors} failed`;
      },
    );
    parts.push(judgement.verdict, ...(seen.length === 0 ? ["nothing seen yet"] : seen));
    if (judgement.verdict !== "pass") parts.push(judgement.reason);
  }
  const soak = phase === 0 ? plan?.mirror?.soakMs : plan?.phases[phase - 1]?.soakMs;
  if (soak !== undefined && phaseStartedAt !== null) {
    const left = soak - (now - Date.parse(phaseStartedAt));
    if (left > 0) parts.push(`${seconds(left)} left`);
  }
  if (pause !== null) parts.push(`paused (${pause.why}): ${pause.missing}`);
  return parts.join("; ");
}

function figure(value: number | null, unit: Check["unit"]): string {
  if (value === null) return "–";
  switch (unit) {
    case "share":
      return `${(100 * value).toFixed(2)} %`;
    case "ms":
      return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
    case "number":
      return String(Number(value.toPrecision(4)));
  }
}

/** One check in a line: what, verdict, both figures and samples. */
export function checkText({ metric, traffic, route, verdict, canary, stable, unit, samples }: Check): string {
  const what = `${CLASS_NAMES[traffic]}${route === null ? "" : ` ${route}`} ${metric}`;
  return `${verdict.padEnd(12)} ${what}: ${figure(canary, unit)} against ${figure(stable, unit)} (${samples.canary} and ${samples.stable} seen)`;
}
