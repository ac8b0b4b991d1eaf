/**
 * The one rollout, driven: commands and reports come in, the judge is asked in
 * intervals, and what follows from a transition is done beside it. A transition and
 * all that has to be told of it are written in one transaction; everything else may
 * be repeated, so an object that dies between any two steps goes on where it was.
 */
import { errorFields, within } from "../../http/index.ts";
import type { GateWebhook, RolloutState, StartRolloutRequest } from "../contract.ts";
import { beyondDoubt, judge, type Evidence } from "../judge/index.ts";
import {
  apply,
  dueWebhooks,
  isOpen,
  stageOf,
  transitionsSince,
  type Command,
  type OpenState,
  type OperatorCommand,
  type Outcome,
} from "../machine/machine.ts";
import { viewOf, type RolloutView } from "../view.ts";
import { backgroundOrder } from "./background.ts";
import { EvidenceBook } from "./evidence.ts";
import { noticeBody, noticesOf, type NumberedTransition } from "./notices.ts";
import { openChannels, Outbox } from "./outbox.ts";
import { redact } from "./redact.ts";
import { isSuspicious, readReport, type Report } from "./report.ts";
import { restoreEvidence, restoreState } from "./restore.ts";
import { RolloutStore } from "./store.ts";
import type { Surroundings } from "./surroundings.ts";
import { ask, webhookBody } from "./webhooks.ts";

const JUDGE = "judge";
/** Between alarms where no plan says otherwise, in milliseconds. */
const IDLE_INTERVAL_MS = 5_000;
/** Shortest time between two alarms that only repeat something, in milliseconds. */
const RETRY_MS = 1_000;
/** Between alarms while only an operator's machine can return what is left, in milliseconds. */
const RETURNING_MS = 60_000;
/** Longest wait for the archiver, in milliseconds; half an interval where that is more than a second. */
const ARCHIVER_WAIT_MS = { least: 1_000, most: 3_000 } as const;
/** Reports without anything suspicious are looked at so often at most, in milliseconds. */
const HEED_MS = 250;
/** Longest time between two alarms while nothing comes in that could change anything, in milliseconds. */
const QUIET_MS = 60_000;
/** An alarm that has judged waits so long for what it has sent out; that goes on beside the next one. */
const BESIDE_WAIT_MS = 2_000;

/** What the object does, apart from being one. */
export class Rollout {
  readonly #store: RolloutStore;
  readonly #world: Surroundings;
  readonly #outbox: Outbox;
  #state: RolloutState;
  #unreadable: string | null;
  #book: EvidenceBook | null;
  #archiverReachable = true;
  /** An alarm was asked for between the regular ones. */
  #woken = false;
  #judgeAt = 0;
  #heededAt = -Infinity;
  /** Alarms in a row that found nothing new and moved nothing. */
  #quiet = 0;
  /** Whether anything came in or moved since the last alarm. */
  #stirred = true;
  #delivering: Promise<void> | null = null;
  readonly #asking = new Map<string, Promise<void>>();

  constructor(storage: Pick<DurableObjectStorage, "sql" | "transactionSync">, world: Surroundings) {
    this.#store = new RolloutStore(storage);
    this.#world = world;
    this.#outbox = new Outbox(this.#store, world);
    const { state, unreadable } = restoreState(this.#store.stateText());
    this.#state = state;
    this.#unreadable = unreadable;
    if (unreadable !== null) {
      world.log("error", "rollout-unreadable", { reason: state.reason, stored: unreadable.slice(0, 500) });
    }
    const { id, phase } = this.view;
    this.#book = id === null ? null : restoreEvidence(this.#store.evidenceParts(), id, phase);
  }

  get view(): RolloutView {
    return viewOf(this.#state);
  }

  get state(): RolloutState {
    return this.#state;
  }

  /** Whether there is anything that an alarm would do. */
  get busy(): boolean {
    return isOpen(this.#state) || !this.#state.backgroundConfirmed || this.#store.nextDue() !== null;
  }

  get #intervalMs(): number {
    return this.#state.plan?.intervalMs ?? IDLE_INTERVAL_MS;
  }

  #at(): string {
    return new Date(this.#world.now()).toISOString();
  }

  #redact(text: string): string {
    return redact(text, this.#world.settings);
  }

  start({ rollback, ...request }: StartRolloutRequest, by: string): Outcome {
    const safety = rollback.safe ? rollback : { ...rollback, why: this.#redact(rollback.why) };
    const id = crypto.randomUUID();
    return this.#apply({ kind: "start", id, by: this.#redact(by), ...request, rollback: safety });
  }

  obey(command: OperatorCommand): Outcome {
    const by = this.#redact(command.by);
    if (!("reason" in command) || command.reason === undefined) return this.#apply({ ...command, by });
    return this.#apply({ ...command, by, reason: this.#redact(command.reason) });
  }

  /** Counts a batch once, and takes back a canary that is bad beyond doubt before it answers. */
  report(input: Report): RolloutView {
    const { report, refused } = readReport(input);
    const [why] = refused;
    if (why !== undefined) this.#world.log("warn", "rollout-report-refused", { why, faults: refused.length });
    if (report === null) return this.view;
    const state = this.#state;
    const mine = isOpen(state) && report.rolloutId === state.id && report.phase === state.phase;
    if (mine && this.#book?.add(report, this.#pastDelay(state)) === true) {
      const due = this.#world.now() - this.#heededAt >= HEED_MS;
      const taken = (due || isSuspicious(report)) && this.#heed();
      if (!taken && report.series.length > 0) this.#stir();
    }
    return this.view;
  }

  /** The regular run. One part that fails keeps no other from being done. */
  async alarm(): Promise<void> {
    const woken = this.#woken;
    this.#woken = false;
    this.#quiet = this.#stirred ? 0 : this.#quiet + 1;
    this.#stirred = false;
    await this.#world.setAlarm(this.#world.now() + this.#intervalMs);
    await this.#part("evidence", () => this.#flush());
    await this.#part("background", () => this.#tellArchiver());
    await this.#part("judge", () => (woken && this.#world.now() < this.#judgeAt ? undefined : this.#judge()));
    await this.#part("tick", () => this.#tick());
    await this.#part("webhooks", () => this.#askDue());
    await this.#part("messages", () => this.#deliver());
    await this.#world.setAlarm(this.#nextAlarm());
  }

  /** Once what was sent out has been answered or given up. */
  async settled(): Promise<void> {
    await Promise.all([...this.#asking.values(), this.#delivering]);
  }

  async #part(name: string, work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#world.log("error", "rollout-alarm", { part: name, ...errorFields(error) });
    }
  }

  /** Something came in: an alarm that was put off comes after an interval again. */
  #stir(): void {
    this.#stirred = true;
    if (this.#quiet === 0) return;
    this.#quiet = 0;
    this.#judgeAt = Math.min(this.#judgeAt, this.#world.now() + this.#intervalMs);
    const next = this.#nextAlarm();
    if (next !== null) this.#setAlarm(next);
  }

  /** Twice as long for each alarm in a row that found nothing, at most `QUIET_MS` or the usual time. */
  #putOff(usualMs: number): number {
    return Math.max(usualMs, Math.min(QUIET_MS, usualMs * 2 ** Math.min(this.#quiet, 20)));
  }

  /**
   * Whether a rollout only waits: for a human, and for evidence, neither of which needs an alarm.
   * Background work needs them: its order runs out, and its counts are fetched.
   */
  get #onlyWaits(): boolean {
    const { status, shares, backgroundConfirmed } = this.#state;
    return (status === "paused" || status === "frozen") && shares.background === 0 && backgroundConfirmed;
  }

  #nextAlarm(): number | null {
    const now = this.#world.now();
    if (this.#woken) return now;
    const times: number[] = [];
    const due = this.#store.nextDue();
    const laneOpen = this.view.id !== null;
    if (laneOpen) times.push(Math.max(now, this.#judgeAt));
    else if (!this.#state.backgroundConfirmed) times.push(now + this.#putOff(RETRY_MS));
    else if (isOpen(this.#state)) times.push(now + Math.max(RETURNING_MS, this.#intervalMs));
    if (due !== null) times.push(Math.max(due, now + RETRY_MS));
    return times.length === 0 ? null : Math.min(...times);
  }

  /** An alarm at once, also where one is running. */
  #wake(): void {
    this.#woken = true;
    this.#setAlarm(this.#world.now());
  }

  #setAlarm(at: number): void {
    this.#world.setAlarm(at).catch((error: unknown) => {
      this.#world.log("error", "rollout-alarm", { part: "wake", ...errorFields(error) });
    });
  }

  #apply(command: Command): Outcome {
    const outcome = apply(this.#state, command, this.#at());
    if (outcome.kind === "changed") this.#become(outcome.state);
    return outcome;
  }

  #become(after: RolloutState): void {
    const before = this.#state;
    const transitions = transitionsSince(before.revision, after).map((transition) => ({
      ...transition,
      reason: this.#redact(transition.reason),
    }));
    this.#store.atomically(() => {
      if (this.#unreadable !== null) this.#store.setAside(this.#world.now(), this.#unreadable);
      if (after.id !== before.id) this.#store.forgetAsks();
      this.#store.saveState(after);
      this.#post(before, after, transitions);
    });
    this.#unreadable = null;
    this.#state = after;
    const { id, phase } = this.view;
    if (id === null) this.#book = null;
    else if (id !== this.#book?.rolloutId || phase !== this.#book.phase) {
      this.#book = new EvidenceBook({ rolloutId: id, phase });
      this.#judgeAt = this.#world.now() + this.#intervalMs;
    }
    if (transitions.length > 0) this.#transitioned(before, transitions);
  }

  /** What is to be told of transitions. */
  #post(before: RolloutState, after: RolloutState, transitions: readonly NumberedTransition[]): void {
    const { id, release, plan, status } = after;
    if (id === null || release === null) return;
    for (const transition of transitions) {
      this.#outbox.postHistory({ ...transition, rolloutId: id, tag: release.tag });
    }
    const from = after.id === before.id ? before : { status: "idle" as const, phase: 0 };
    const { settings } = this.#world;
    for (const notice of noticesOf(from, transitions, after, settings.ENVIRONMENT)) {
      const key = `${id}/${notice.revision}`;
      for (const channel of openChannels(settings)) {
        this.#outbox.post(channel, { body: noticeBody(channel, notice), key });
      }
    }
    if (status !== "done" || before.status === "done") return;
    for (const { name, url, timeoutMs, retries } of plan?.post ?? []) {
      const body = webhookBody(after, "post", this.#world.now());
      this.#outbox.post(`post:${name}`, {
        body,
        key: `${id}/post/${name}`,
        url,
        timeoutMs,
        tries: retries + 1,
      });
    }
  }

  #transitioned(before: RolloutState, transitions: readonly NumberedTransition[]): void {
    for (const { status, phase, reason, by, revision } of transitions) {
      const level =
        status === "rolled-back" || status === "rolling-back" || status === "frozen" ? "warn" : "info";
      this.#world.log(level, "rollout", { rollout: this.#state.id, revision, status, phase, reason, by });
    }
    this.#stir();
    // Not at the alarm, which may be busy: a canary that was taken back gets no more work from now on.
    const closed = viewOf(before).id !== null && this.view.id === null;
    if (closed) void this.#part("background", () => this.#tellArchiver());
    this.#wake();
  }

  #pastDelay(state: OpenState): boolean {
    const delay = stageOf(state)?.initialDelayMs ?? 0;
    return this.#world.now() - Date.parse(state.phaseStartedAt ?? this.#at()) >= delay;
  }

  #evidence(book: EvidenceBook): Evidence {
    return book.evidence(this.view.shares, { reachable: this.#archiverReachable });
  }

  /** What new evidence proves by itself. Returns whether the canary has to go. */
  #heed(): boolean {
    const state = this.#state;
    const book = this.#book;
    if (!isOpen(state) || book === null) return false;
    this.#heededAt = this.#world.now();
    const { id, phase } = state;
    if (state.firstErrorAt === null && book.canaryErred) this.#apply({ kind: "error-seen", id, phase });
    const gate = stageOf(state)?.gate;
    const reason = gate === undefined ? null : beyondDoubt(this.#evidence(book), gate);
    if (reason === null) return false;
    return this.#apply({ kind: "alarm", id, phase, reason, by: JUDGE }).kind === "changed";
  }

  #judge(): void {
    this.#judgeAt = this.#world.now() + (this.#onlyWaits ? this.#putOff(this.#intervalMs) : this.#intervalMs);
    const state = this.#state;
    const gate = isOpen(state) ? stageOf(state)?.gate : undefined;
    // Held copies are none: the recent window empties, and says nothing.
    if (state.phase === 0 && this.view.mirrorReads === 0) return;
    if (this.#book === null || gate === undefined || !isOpen(state) || this.#heed()) return;
    const judgement = judge(this.#evidence(this.#book), gate, this.#at());
    this.#apply({ kind: "judged", id: state.id, phase: state.phase, judgement, by: JUDGE });
  }

  #tick(): void {
    if (this.#state.id !== null) this.#apply({ kind: "tick", id: this.#state.id });
  }

  /** An interval ends here; what it brought is written down. */
  #flush(): void {
    if (this.#book === null) return;
    this.#book.closeInterval();
    this.#store.saveEvidence(this.#book.snapshot());
  }

  async #tellArchiver(): Promise<void> {
    const state = this.#state;
    if (!isOpen(state) && state.backgroundConfirmed) return;
    const book = this.#book;
    const order = backgroundOrder(state);
    const { least, most } = ARCHIVER_WAIT_MS;
    try {
      const wait = Math.min(most, Math.max(least, this.#intervalMs / 2));
      const tally = await within(wait, this.#world.background(order));
      if (book === this.#book) this.#archiverReachable = tally.accepted;
      if (!tally.accepted) throw new Error(`the order of revision ${order.revision} is not in force`);
      const mine = book !== null && tally.rolloutId === book.rolloutId && tally.phase === book.phase;
      if (mine && isOpen(state)) book.addBackground(tally, this.#pastDelay(state));
      const { id } = state;
      if (id !== null) this.#apply({ kind: "background-confirmed", id, revision: order.revision });
    } catch (error) {
      if (book === this.#book) this.#archiverReachable = false;
      this.#world.log("warn", "rollout-background", { share: order.share, ...errorFields(error) });
    }
  }

  #askDue(): void {
    const state = this.#state;
    if (!isOpen(state)) return;
    for (const webhook of dueWebhooks(state, this.#at())) {
      const question = `${state.id}/${state.phase}/${webhook.name}`;
      if (this.#asking.has(question)) continue;
      const asking = this.#part("webhooks", () => this.#ask(state, webhook, question));
      this.#asking.set(
        question,
        asking.finally(() => this.#asking.delete(question)),
      );
    }
  }

  async #ask(state: OpenState, webhook: GateWebhook, question: string): Promise<void> {
    const { id, phase } = state;
    const { name } = webhook;
    const round = this.#store.askRound(question);
    const body = webhookBody(state, phase === 0 ? "pre" : "phase", this.#world.now());
    const goesOn = (): boolean =>
      this.#state.id === id &&
      this.#state.phase === phase &&
      dueWebhooks(this.#state, this.#at()).some((due) => due.name === name);
    const { outcome, detail } = await ask(this.#world, webhook, body, `${question}/${round}`, goesOn);
    this.#store.atomically(() => {
      this.#store.askAnswered(question);
      this.#apply({ kind: "webhook", id, phase, name, outcome, detail, by: `webhook ${name}` });
    });
  }

  /** Sends out what waits; the alarm does not wait for a slow receiver. */
  async #deliver(): Promise<void> {
    this.#delivering ??= this.#part("messages", () => this.#outbox.deliver()).finally(() => {
      this.#delivering = null;
    });
    await within(Math.min(BESIDE_WAIT_MS, this.#intervalMs / 2), this.settled()).catch(() => {});
  }
}
