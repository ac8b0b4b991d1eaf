/** A rollout as a block of lines for people: phases, lanes, checks, what is missing. */
import pc from "picocolors";
import {
  TRAFFIC_CLASSES,
  type Lane,
  type LaneFigures,
  type RolloutState,
  type TrafficClass,
  type Verdict,
} from "../../../worker/src/rollout/contract.ts";
import { checkText, describeRollout, isOpen, sharesText } from "./text.ts";

const SHOWN_CHECKS = 8;
const SHOWN_TRANSITIONS = 5;

const COLOURS: Readonly<Record<Verdict, (text: string) => string>> = {
  pass: pc.green,
  fail: pc.red,
  inconclusive: pc.yellow,
  error: pc.yellow,
};

const ms = (value: number | null): string => (value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));

function laneText(lane: Lane, { requests, errors, fallbacks, p50, p95, p99 }: LaneFigures): string {
  const spared = fallbacks === 0 ? "" : `, ${fallbacks} answered by the stable lane`;
  return `${lane} ${requests} (${errors} failed${spared}) p50/p95/p99 ${ms(p50)}/${ms(p95)}/${ms(p99)} ms`;
}

function classLines(state: RolloutState): readonly string[] {
  const { judgement } = state;
  if (judgement === null) return [];
  const { canary, stable } = judgement.figures;
  const seen = (traffic: TrafficClass): boolean => canary[traffic].requests + stable[traffic].requests > 0;
  return TRAFFIC_CLASSES.filter(seen).map(
    (traffic) =>
      `    ${traffic.padEnd(10)} ${laneText("canary", canary[traffic])} | ${laneText("stable", stable[traffic])}`,
  );
}

function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

function markOf(number: number, { phase }: RolloutState): string {
  return number < phase ? pc.green("✔") : number === phase ? pc.cyan("▶") : "○";
}

/** How long it lasts, or how much of that is left. */
function soakText(number: number, soakMs: number, state: RolloutState, now: number): string {
  const { phase, phaseStartedAt } = state;
  if (number < phase || (number === phase && !isOpen(state))) return "";
  if (number > phase || phaseStartedAt === null) return `, at least ${duration(soakMs)}`;
  const left = soakMs - (now - Date.parse(phaseStartedAt));
  return left > 0 ? `, ${duration(left)} left` : ", soak is over";
}

function copiesLine(state: RolloutState, now: number): readonly string[] {
  const mirror = state.plan?.mirror ?? null;
  if (mirror === null) return [];
  const soak = soakText(0, mirror.soakMs, state, now);
  return [`  ${markOf(0, state)} 0 copies of ${mirror.read} % of reads, nobody gets the answers${soak}`];
}

function phaseLines(state: RolloutState, now: number): readonly string[] {
  const { plan, phase } = state;
  return (plan?.phases ?? []).map(({ name, shares, soakMs, approval }, index) => {
    const number = index + 1;
    const mark = markOf(number, state);
    const soak = soakText(number, soakMs, state, now);
    const asks = approval && number > phase ? ", needs an approval" : "";
    const given = sharesText(shares);
    return `  ${mark} ${number} ${name === given ? given : `${name} (${given})`}${soak}${asks}`;
  });
}

function verdictLines({ judgement, streak }: RolloutState): readonly string[] {
  if (judgement === null) return ["    nothing judged in this phase yet"];
  const { verdict, reason, missing, checks } = judgement;
  const times = streak !== null && streak.length > 1 ? ` (${streak.length} in a row)` : "";
  const shown = checks.slice(0, SHOWN_CHECKS);
  return [
    `    ${COLOURS[verdict](verdict)}${times}: ${reason}`,
    ...missing.map((line) => `    missing: ${line}`),
    ...shown.map((check) => pc.dim(`      ${checkText(check)}`)),
    ...(checks.length > shown.length ? [pc.dim(`      and ${checks.length - shown.length} more`)] : []),
  ];
}

function historyLines({ transitions }: RolloutState): readonly string[] {
  return transitions
    .slice(-SHOWN_TRANSITIONS)
    .map(({ at, status, phase, reason, by }) =>
      pc.dim(`    ${at.slice(11, 19)} ${status} ${phase}: ${reason} (${by})`),
    );
}

/** @param now milliseconds UTC */
export function rolloutLines(state: RolloutState, now: number): readonly string[] {
  const { pause, reason, rollback, toReturn } = state;
  const head = describeRollout(state);
  if (state.id === null) return ["no rollout yet"];
  if (!isOpen(state)) {
    return [
      head,
      ...(reason === null ? [] : [`  ${reason}`]),
      ...verdictLines(state),
      ...classLines(state),
      ...historyLines(state),
    ];
  }
  return [
    pc.bold(head),
    ...copiesLine(state, now),
    ...phaseLines(state, now),
    ...(pause === null ? [] : [pc.yellow(`  paused (${pause.why}): ${pause.missing}`)]),
    ...(state.status === "frozen" ? [pc.red(`  frozen: ${reason ?? ""}`)] : []),
    ...(toReturn.length === 0 ? [] : [pc.yellow(`  still to return: ${toReturn.join(", ")}`)]),
    ...(rollback.safe ? [] : [pc.yellow(`  a rollback is not safe: ${rollback.why}`)]),
    ...verdictLines(state),
    ...classLines(state),
    ...historyLines(state),
  ];
}
