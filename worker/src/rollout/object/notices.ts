/** What is told of a rollout, and in which words for whom. */
import {
  TRAFFIC_CLASSES,
  type RolloutState,
  type RolloutStatus,
  type RolloutTransition,
  type Shares,
} from "../contract.ts";

export const NOTICE_CHANNELS = ["slack", "discord", "webhook"] as const;
export type NoticeChannel = (typeof NOTICE_CHANNELS)[number];

export type NoticeEvent =
  | "started"
  | "phase"
  | "held"
  | "resumed"
  | "promoting"
  | "done"
  | "rolling-back"
  | "rolled-back"
  | "frozen";

/** One thing that happened, told once. */
export interface Notice {
  readonly event: NoticeEvent;
  readonly environment: string;
  readonly rollout: string;
  readonly revision: number;
  readonly release: string;
  readonly status: RolloutStatus;
  readonly phase: number;
  readonly phases: number;
  readonly shares: Shares;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

export type NumberedTransition = RolloutTransition & { readonly revision: number };
type Before = Pick<RolloutTransition, "status" | "phase">;

/** What a transition is to people; `null`: nothing worth a message. */
function eventOf(before: Before, { status, phase }: RolloutTransition): NoticeEvent | null {
  if (before.status === status && before.phase === phase) return null;
  switch (status) {
    case "idle":
      return null;
    case "preparing":
      return before.status === "paused" || before.status === "frozen" ? "resumed" : "started";
    case "running":
      return before.phase === phase ? "resumed" : "phase";
    case "paused":
      return "held";
    case "promoting":
    case "done":
    case "rolling-back":
    case "rolled-back":
    case "frozen":
      return status;
  }
}

/** What is to be told of the transitions from one state to a later one. */
export function noticesOf(
  before: Before,
  transitions: readonly NumberedTransition[],
  { id, release, plan }: RolloutState,
  environment: string,
): readonly Notice[] {
  if (id === null || release === null) return [];
  return transitions.flatMap((transition, index) => {
    const event = eventOf(transitions[index - 1] ?? before, transition);
    if (event === null) return [];
    const about = { environment, rollout: id, release: release.tag, phases: plan?.phases.length ?? 0 };
    return [{ event, ...about, ...transition }];
  });
}

function sharesText(shares: Shares): string {
  return TRAFFIC_CLASSES.map((traffic) => `${shares[traffic]} % ${traffic}`).join(", ");
}

function headline({ event, phase, phases, shares }: Notice): string {
  switch (event) {
    case "started":
      return "rollout started at 0 %";
    case "phase":
      return `in phase ${phase} of ${phases}: ${sharesText(shares)}`;
    case "held":
      return `held in phase ${phase} of ${phases}: ${sharesText(shares)}`;
    case "resumed":
      return `goes on in phase ${phase} of ${phases}: ${sharesText(shares)}`;
    case "promoting":
      return "every phase has passed; the scripts get the release";
    case "done":
      return "promoted";
    case "rolling-back":
      return "taken back to 0 %; something is left to return";
    case "rolled-back":
      return "rolled back";
    case "frozen":
      return `frozen in phase ${phase} of ${phases}, still at ${sharesText(shares)}: a human has to decide`;
  }
}

function plainText(notice: Notice): string {
  const { environment, release, reason, by } = notice;
  return `Strata ${environment}, ${release}: ${headline(notice)}. Why: ${reason} (by ${by})`;
}

/** Longest texts, in UTF-16 units, Slack's before its characters are escaped: Discord refuses more, Slack cuts. */
const MAX_TEXT = { slack: 3_500, discord: 2_000 } as const;

/** Cuts between characters. */
function cut(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const end = longest - 1;
  const inPair = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return `${text.slice(0, inPair ? end - 1 : end)}…`;
}

/** Nobody is called by a name that a reason happens to hold: a zero-width space stands behind every `@`. */
const unmentioned = (text: string): string => text.replaceAll("@", "@\u200B");

/** Slack's markup begins with `<`; its three characters are written as entities. */
function forSlack(text: string): string {
  return unmentioned(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function forDiscord(text: string): string {
  return unmentioned(text).replace(/[\\*_~`|<>[\]()#]/g, (character) => `\\${character}`);
}

/** The body that a channel takes. */
export function noticeBody(channel: NoticeChannel, notice: Notice): string {
  const text = plainText(notice);
  switch (channel) {
    case "slack":
      return JSON.stringify({ text: forSlack(cut(text, MAX_TEXT.slack)) });
    case "discord":
      return JSON.stringify({
        content: cut(forDiscord(text), MAX_TEXT.discord),
        allowed_mentions: { parse: [] },
      });
    case "webhook":
      return JSON.stringify({ ...notice, text });
  }
}
