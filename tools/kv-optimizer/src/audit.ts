/** The whole audit of one state of a repository. */
import { fingerprints } from "./baseline/fingerprint.ts";
import { analyze } from "./find/index.ts";
import { judge, quotaUse, rank } from "./judge/index.ts";
import type {
  Analysis,
  Assumptions,
  Finding,
  Place,
  Report,
  SourceTree,
  Unread,
  WorkerConfig,
} from "./model.ts";
import { totalsOf } from "./report/totals.ts";
import { readWorkerConfigs } from "./wrangler/index.ts";

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function byPlace(a: Place, b: Place): number {
  return compareText(a.file, b.file) || a.line - b.line || a.column - b.column;
}

/** Each file and reason once: the parts that read it may each have met it. */
function distinctUnread(unread: readonly Unread[]): readonly Unread[] {
  const distinct = new Map(unread.map((item) => [`${item.file}\n${item.why}`, item]));
  return [...distinct.values()].sort((a, b) => compareText(a.file, b.file) || compareText(a.why, b.why));
}

/** What the report of an analysis rests on beside it. */
export interface Surroundings {
  readonly configs: readonly WorkerConfig[];
  /** What was not read outside of the analysis. */
  readonly unread: readonly Unread[];
  readonly assumptions: Assumptions;
}

/** Names, judges and adds up what an analysis found; the order in which it came has no influence. */
export function reportOf(analysis: Analysis, { configs, unread, assumptions }: Surroundings): Report {
  const ids = fingerprints(analysis.calls);
  const context = { configs, ...assumptions };
  const findings = [...ids]
    .map(([call, id]) => ({ id, ...call, judgement: judge(call, context) }))
    .sort(byPlace);
  return {
    version: 1,
    totals: totalsOf(findings),
    bindings: [...analysis.bindings].sort(compareText),
    findings,
    quotas: quotaUse(findings),
    commentFaults: [...analysis.commentFaults].sort(
      (a, b) => byPlace(a, b) || compareText(a.message, b.message),
    ),
    unread: distinctUnread([...unread, ...analysis.unread]),
    files: analysis.files,
    lines: analysis.lines,
    assumptions,
  };
}

/** Reads the configs and sources of a tree and reports every KV call. Nothing is run, written or fetched. */
export function audit(tree: SourceTree, assumptions: Assumptions): Report {
  const { configs, unread } = readWorkerConfigs(tree);
  return reportOf(analyze(tree, configs), { configs, unread: [...tree.unread, ...unread], assumptions });
}

/** What is better changed, the best move first; neither what is ignored nor what may stay. */
export function bestMoves({ findings }: Report): readonly Finding[] {
  return rank(findings).filter(({ ignored, judgement }) => ignored === null && judgement.target !== "keep");
}
