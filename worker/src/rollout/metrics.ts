/** The rollout in Prometheus's text exposition format, for dashboards and alerts. */
import {
  ROLLOUT_STATUSES,
  TRAFFIC_CLASSES,
  type Lane,
  type LaneFigures,
  type RolloutState,
  type Verdict,
} from "./contract.ts";
import { viewOf } from "./view.ts";

const LANES: readonly Lane[] = ["stable", "canary"];
const VERDICTS: readonly Verdict[] = ["pass", "fail", "inconclusive", "error"];

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
}

function labelled(labels: Readonly<Record<string, string>>): string {
  const escape = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function metricText({ name, help, samples }: Metric): string {
  const lines = samples.map(([labels, value]) => `${name}${labelled(labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join("\n");
}

function figures(
  state: RolloutState,
  name: string,
  help: string,
  of: (lane: LaneFigures) => number | null,
): Metric {
  const { judgement } = state;
  const samples = LANES.flatMap((lane) =>
    TRAFFIC_CLASSES.flatMap((traffic): Metric["samples"] => {
      const value = judgement === null ? null : of(judgement.figures[lane][traffic]);
      return value === null ? [] : [[{ lane, class: traffic }, value]];
    }),
  );
  return { name, help, samples };
}

/** Shares, phase, status and the newest verdict with its figures. */
export function metricsText(state: RolloutState): string {
  const { shares, status, phase, judgement, revision, release } = state;
  const metrics: readonly Metric[] = [
    {
      name: "strata_rollout_canary_share_percent",
      help: "Percent of a class that goes to the canary",
      samples: TRAFFIC_CLASSES.map((traffic) => [{ class: traffic }, shares[traffic]]),
    },
    {
      name: "strata_rollout_copied_reads_percent",
      help: "Percent of the reads that the canary gets copies of",
      samples: [[{}, viewOf(state).mirrorReads]],
    },
    {
      name: "strata_rollout_status",
      help: "1 for the status that the rollout has",
      samples: ROLLOUT_STATUSES.map((known) => [{ status: known }, Number(known === status)]),
    },
    { name: "strata_rollout_phase", help: "0 before the first phase", samples: [[{}, phase]] },
    { name: "strata_rollout_revision", help: "Grows with every transition", samples: [[{}, revision]] },
    {
      name: "strata_rollout_release_info",
      help: "The release that the rollout carries",
      samples: release === null ? [] : [[{ release: release.tag }, 1]],
    },
    {
      name: "strata_rollout_verdict",
      help: "1 for the newest verdict of the present phase",
      samples: VERDICTS.map((verdict) => [{ verdict }, Number(verdict === judgement?.verdict)]),
    },
    figures(state, "strata_rollout_requests", "Requests of the present phase", ({ requests }) => requests),
    figures(state, "strata_rollout_errors", "Errors of the present phase", ({ errors }) => errors),
    figures(state, "strata_rollout_fallbacks", "Reads answered for the canary", ({ fallbacks }) => fallbacks),
    figures(state, "strata_rollout_p95_milliseconds", "95th percentile to the head", ({ p95 }) => p95),
  ];
  return `${metrics.map(metricText).join("\n")}\n`;
}
