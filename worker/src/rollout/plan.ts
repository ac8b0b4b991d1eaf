/** Rollout plans: what is written by hand, its defaults, and what is wrong with it. Pure. */
import {
  TRAFFIC_CLASSES,
  type GateSettings,
  type GateWebhook,
  type MirrorPlan,
  type PhasePlan,
  type RolloutPlan,
  type Shares,
  type StagePlan,
} from "./contract.ts";
import { shapeFaults } from "./plan-shape.ts";

/** A gate as it is written: what is left out is as `DEFAULT_GATE` says, or as the plan's own `gate`. */
export type GateInput = Partial<Omit<GateSettings, "latency" | "minSample">> & {
  readonly latency?: Partial<GateSettings["latency"]>;
  /** One number for every class, or what some of them ask for. */
  readonly minSample?: number | Partial<GateSettings["minSample"]>;
};

/** A webhook as it is written. */
export type WebhookInput = Pick<GateWebhook, "name" | "url"> & Partial<GateWebhook>;

type StageInput = Partial<Omit<StagePlan, "gate">> & { readonly gate?: GateInput };

/** A phase as it is written. */
export interface PhaseInput extends StageInput {
  readonly name?: string;
  /** A class that is left out gets what it had in the phase before, or nothing in the first. */
  readonly shares: Partial<Shares>;
  readonly approval?: boolean;
  readonly webhooks?: readonly WebhookInput[];
}

/** Copies of reads before phase 1, as they are written. */
export interface MirrorInput extends StageInput {
  /** 100 unless told. */
  readonly read?: number;
}

/** A plan as it is written. */
export interface PlanInput {
  readonly intervalMs?: number;
  readonly mirror?: MirrorInput | null;
  readonly phases: readonly PhaseInput[];
  /** For every phase that does not say otherwise. */
  readonly gate?: GateInput;
  readonly pre?: readonly WebhookInput[];
  readonly post?: readonly WebhookInput[];
  readonly onFail?: RolloutPlan["onFail"];
  readonly fallbackReads?: boolean;
  readonly overdueMs?: number;
}

export const DEFAULT_GATE: GateSettings = {
  minSample: { read: 50, write: 50, background: 10 },
  falseAlarm: 0.001,
  errorTolerance: 0.005,
  maxErrorShare: 0.01,
  latency: { tolerance: 0.25, slackMs: 50 },
  maxP95Ms: null,
  numbers: {},
  failLimit: 2,
  passLimit: 2,
  errorLimit: 5,
  dryRun: false,
};

const DEFAULT_SOAK_MS = 60_000;
/** Isolates that start are slow: without it the judge's test bed took 6 of 100 good releases back. */
const DEFAULT_INITIAL_DELAY_MS = 5_000;
const DEFAULT_MAX_WAIT_MS = 30 * 60_000;

function gateOf(...inputs: readonly (GateInput | undefined)[]): GateSettings {
  return inputs.reduce<GateSettings>(
    (gate, { minSample = {}, latency = {}, ...input } = {}) => ({
      ...gate,
      ...input,
      latency: { ...gate.latency, ...latency },
      minSample:
        typeof minSample === "number"
          ? { read: minSample, write: minSample, background: minSample }
          : { ...gate.minSample, ...minSample },
    }),
    DEFAULT_GATE,
  );
}

function webhookOf(input: WebhookInput): GateWebhook {
  return { timeoutMs: 10_000, retries: 2, ...input };
}

function sharesText(shares: Shares): string {
  return TRAFFIC_CLASSES.map((traffic) =>
    `${shares[traffic]} % of ${traffic}s`.replace("backgrounds", "background"),
  ).join(", ");
}

/** A stage with what was left out. @param ofPlan the plan's own gate */
function stageOf(
  { soakMs = DEFAULT_SOAK_MS, initialDelayMs, maxWaitMs, gate }: StageInput,
  ofPlan: GateInput | undefined,
): StagePlan {
  return {
    soakMs,
    initialDelayMs: initialDelayMs ?? Math.min(DEFAULT_INITIAL_DELAY_MS, soakMs),
    maxWaitMs: maxWaitMs ?? Math.max(DEFAULT_MAX_WAIT_MS, soakMs),
    gate: gateOf(ofPlan, gate),
  };
}

function mirrorOf(input: MirrorInput, ofPlan: GateInput | undefined): MirrorPlan {
  return { read: input.read ?? 100, ...stageOf(input, ofPlan) };
}

/** The whole plan: what was left out is filled in. It may be wrong still; see `planFaults`. */
export function completePlan(input: PlanInput): RolloutPlan {
  let before: Shares = { read: 0, write: 0, background: 0 };
  const phases = input.phases.map((phase): PhasePlan => {
    const shares = { ...before, ...phase.shares };
    before = shares;
    return {
      name: phase.name ?? sharesText(shares),
      shares,
      ...stageOf(phase, input.gate),
      approval: phase.approval ?? false,
      webhooks: (phase.webhooks ?? []).map(webhookOf),
    };
  });
  return {
    intervalMs: input.intervalMs ?? 2_000,
    mirror: input.mirror === undefined || input.mirror === null ? null : mirrorOf(input.mirror, input.gate),
    phases,
    pre: (input.pre ?? []).map(webhookOf),
    post: (input.post ?? []).map(webhookOf),
    onFail: input.onFail ?? "roll-back",
    fallbackReads: input.fallbackReads ?? true,
    overdueMs: input.overdueMs ?? 3_000,
  };
}

/** Something that is wrong with a plan. */
export interface PlanFault {
  /** JSON Pointer into the plan. */
  readonly path: string;
  readonly message: string;
}

/** What a number has to be; both bounds are allowed themselves. */
interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;

const SHARE: Bounds = { min: 0, max: 100 };
/** A part of one, not of a hundred. */
const PART: Bounds = { min: 0, max: 1 };
const COUNT: Bounds = { min: 1, max: 1_000_000, whole: true };
const WAIT_MS: Bounds = { min: 0, max: WEEK_MS, whole: true };
const INTERVAL_MS: Bounds = { min: 100, max: HOUR_MS, whole: true };
const OVERDUE_MS: Bounds = { min: 1, max: 300_000, whole: true };
const WEBHOOK_MS: Bounds = { min: 1, max: 60_000, whole: true };
const RETRIES: Bounds = { min: 0, max: 10, whole: true };
/** As a factor above one: 0.25 is a quarter more. */
const TOLERANCE: Bounds = { min: 0, max: 100 };
const MAX_PHASES = 20;
const MAX_WEBHOOKS = 10;
/** The names that `reportNumber` takes (`http/numbers.ts`); others would never be reported. */
const NUMBER_NAME = /^[a-z][a-z0-9_]{0,39}$/;

function numberFaults(
  path: string,
  value: number,
  { min, max, whole = false }: Bounds,
): readonly PlanFault[] {
  const fits = Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value));
  if (fits) return [];
  return [
    { path, message: `must be ${whole ? "a whole number" : "a number"} from ${min} to ${max}, is ${value}` },
  ];
}

function pointerPart(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function gateFaults(path: string, gate: GateSettings): readonly PlanFault[] {
  const at = (name: string) => `${path}/${name}`;
  const { latency, maxP95Ms, numbers } = gate;
  const falseAlarm =
    gate.falseAlarm > 0 && gate.falseAlarm < 1
      ? []
      : [{ path: at("falseAlarm"), message: `must be above 0 and below 1, is ${gate.falseAlarm}` }];
  return [
    // 0 lets a phase without traffic pass.
    ...TRAFFIC_CLASSES.flatMap((traffic) =>
      numberFaults(at(`minSample/${traffic}`), gate.minSample[traffic], { ...COUNT, min: 0 }),
    ),
    ...falseAlarm,
    ...numberFaults(at("errorTolerance"), gate.errorTolerance, PART),
    ...numberFaults(at("maxErrorShare"), gate.maxErrorShare, PART),
    ...numberFaults(at("latency/tolerance"), latency.tolerance, TOLERANCE),
    ...numberFaults(at("latency/slackMs"), latency.slackMs, { min: 0, max: HOUR_MS }),
    ...(maxP95Ms === null ? [] : numberFaults(at("maxP95Ms"), maxP95Ms, { min: 1, max: HOUR_MS })),
    ...Object.entries(numbers).flatMap(([name, { tolerance }]) => {
      const own = at(`numbers/${pointerPart(name)}`);
      const named = NUMBER_NAME.test(name)
        ? []
        : [
            {
              path: own,
              message:
                "a number's name has up to 40 lower-case letters, digits and `_`, and begins with a letter",
            },
          ];
      return [...named, ...numberFaults(`${own}/tolerance`, tolerance, TOLERANCE)];
    }),
    ...numberFaults(at("failLimit"), gate.failLimit, COUNT),
    ...numberFaults(at("passLimit"), gate.passLimit, COUNT),
    ...numberFaults(at("errorLimit"), gate.errorLimit, COUNT),
  ];
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

function urlFault(url: string): string | null {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== "https:" && parsed.protocol !== "http:")) {
    return "must be an absolute http or https URL";
  }
  if (parsed.protocol === "http:" && !LOOPBACK.has(parsed.hostname)) {
    return "must be https, but on this machine";
  }
  if (parsed.username === "" && parsed.password === "") return null;
  return "must not hold a user or a password: a plan is shown to whoever may see the rollout";
}

function webhookFaults(path: string, webhooks: readonly GateWebhook[]): readonly PlanFault[] {
  const names = webhooks.map(({ name }) => name);
  const many = webhooks.length > MAX_WEBHOOKS ? [{ path, message: `at most ${MAX_WEBHOOKS} webhooks` }] : [];
  return [
    ...many,
    ...webhooks.flatMap(({ name, url, timeoutMs, retries }, index) => {
      const own = `${path}/${index}`;
      const wrongUrl = urlFault(url);
      return [
        ...(name.trim() === "" ? [{ path: `${own}/name`, message: "must not be empty" }] : []),
        ...(names.indexOf(name) < index
          ? [{ path: `${own}/name`, message: `another webhook beside it is named ${name}` }]
          : []),
        ...(wrongUrl === null ? [] : [{ path: `${own}/url`, message: wrongUrl }]),
        ...numberFaults(`${own}/timeoutMs`, timeoutMs, WEBHOOK_MS),
        ...numberFaults(`${own}/retries`, retries, RETRIES),
      ];
    }),
  ];
}

function shareFaults(
  path: string,
  shares: Shares,
  before: Shares | undefined,
  last: boolean,
): readonly PlanFault[] {
  const faults = TRAFFIC_CLASSES.flatMap((traffic): readonly PlanFault[] => {
    const own = `${path}/${traffic}`;
    const share = shares[traffic];
    const unfit = numberFaults(own, share, SHARE);
    if (unfit.length > 0) return unfit;
    const former = before?.[traffic] ?? 0;
    if (share < former) {
      return [{ path: own, message: `never falls: it is ${share} after ${former} in the phase before` }];
    }
    return last && share < 100 ? [{ path: own, message: `must be 100 in the last phase, is ${share}` }] : [];
  });
  const empty = TRAFFIC_CLASSES.every((traffic) => shares[traffic] === 0);
  return empty && !last
    ? [...faults, { path, message: "some class must have a share: nothing else can be judged" }]
    : faults;
}

function stageFaults(
  path: string,
  { soakMs, initialDelayMs, maxWaitMs, gate }: StagePlan,
): readonly PlanFault[] {
  return [
    ...numberFaults(`${path}/soakMs`, soakMs, WAIT_MS),
    ...numberFaults(`${path}/initialDelayMs`, initialDelayMs, WAIT_MS),
    ...numberFaults(`${path}/maxWaitMs`, maxWaitMs, WAIT_MS),
    ...(initialDelayMs > soakMs
      ? [{ path: `${path}/initialDelayMs`, message: `must not exceed soakMs, which is ${soakMs}` }]
      : []),
    ...(maxWaitMs < soakMs
      ? [{ path: `${path}/maxWaitMs`, message: `must not be below soakMs, which is ${soakMs}` }]
      : []),
    ...gateFaults(`${path}/gate`, gate),
  ];
}

function mirrorFaults(mirror: MirrorPlan): readonly PlanFault[] {
  const path = "/mirror";
  const nothing = { path: `${path}/read`, message: "must be above 0: without copies, leave `mirror` out" };
  return [
    ...(mirror.read === 0 ? [nothing] : numberFaults(`${path}/read`, mirror.read, SHARE)),
    ...stageFaults(path, mirror),
  ];
}

function phaseFaults(phase: PhasePlan, index: number, phases: readonly PhasePlan[]): readonly PlanFault[] {
  const path = `/phases/${index}`;
  return [
    ...(phase.name.trim() === "" ? [{ path: `${path}/name`, message: "must not be empty" }] : []),
    ...shareFaults(`${path}/shares`, phase.shares, phases[index - 1]?.shares, index === phases.length - 1),
    ...stageFaults(path, phase),
    ...webhookFaults(`${path}/webhooks`, phase.webhooks),
  ];
}

/** Everything that is wrong with a plan; none when it may be rolled out by. Bounds are told of once its fields are what they have to be. */
export function planFaults(plan: RolloutPlan): readonly PlanFault[] {
  const unshapely = shapeFaults(plan);
  return unshapely.length > 0 ? unshapely : boundFaults(plan);
}

function boundFaults(plan: RolloutPlan): readonly PlanFault[] {
  const { phases } = plan;
  const count =
    phases.length >= 1 && phases.length <= MAX_PHASES
      ? []
      : [{ path: "/phases", message: `must be 1 to ${MAX_PHASES} phases, are ${phases.length}` }];
  return [
    ...numberFaults("/intervalMs", plan.intervalMs, INTERVAL_MS),
    ...(plan.mirror === null ? [] : mirrorFaults(plan.mirror)),
    ...count,
    ...phases.flatMap(phaseFaults),
    ...webhookFaults("/pre", plan.pre),
    ...webhookFaults("/post", plan.post),
    ...numberFaults("/overdueMs", plan.overdueMs, OVERDUE_MS),
  ];
}

/** A plan that may not be rolled out by; its message lists every fault. */
export class InvalidPlanError extends Error {
  override readonly name = "InvalidPlanError";
  readonly faults: readonly PlanFault[];

  constructor(faults: readonly PlanFault[]) {
    super(
      ["The rollout plan is not valid:", ...faults.map(({ path, message }) => `  ${path}: ${message}`)].join(
        "\n",
      ),
    );
    this.faults = faults;
  }
}

/**
 * The whole plan, from what is written by hand.
 * @throws InvalidPlanError with every fault
 */
export function definePlan(input: PlanInput): RolloutPlan {
  const unshapely = shapeFaults(input);
  if (unshapely.length > 0) throw new InvalidPlanError(unshapely);
  const plan = completePlan(input);
  const faults = boundFaults(plan);
  if (faults.length > 0) throw new InvalidPlanError(faults);
  return plan;
}
