/** The rules by which calls of the API fail on purpose: what they are, and which one a call meets. */
import { z } from "zod";

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A fault must not outlast a client's patience for ever. */
const MAX_LATENCY_MS = 600_000;

const effectSchema = z
  .strictObject({
    /** Before anything else happens, in milliseconds; goes with any other effect. */
    latencyMs: z.int().min(0).max(MAX_LATENCY_MS).optional(),
    /** The call is not done; this is the answer, as Cloudflare's failure envelope. */
    status: z.int().min(400).max(599).optional(),
    /** Error code of the envelope; default: the status. */
    code: z.int().min(0).optional(),
    message: z.string().optional(),
    headers: z
      .record(z.string().regex(HEADER_NAME, "no header name"), z.string().regex(/^[\t\x20-\x7e]*$/))
      .optional(),
    /** Closes the connection: the call is not done, or it is done and its answer is lost. */
    drop: z.enum(["before", "after"]).optional(),
    /** Closes the connection after so many bytes of a body. */
    cut: z.int().min(0).optional(),
    /** Of which body: the request's (the call is not done), or the answer's. */
    cutIn: z.enum(["request", "answer"]).optional(),
  })
  .superRefine((effect, context) => {
    const kinds = (["status", "drop", "cut"] as const).filter((kind) => effect[kind] !== undefined);
    if (kinds.length > 1) {
      context.addIssue({ code: "custom", message: `${kinds.join(" and ")} exclude each other` });
    }
    if (kinds.length === 0 && effect.latencyMs === undefined) {
      context.addIssue({ code: "custom", message: "one of status, latencyMs, drop, cut is required" });
    }
    for (const only of ["code", "message", "headers"] as const) {
      if (effect[only] !== undefined && effect.status === undefined) {
        context.addIssue({ code: "custom", path: [only], message: "goes with status only" });
      }
    }
    if (effect.cutIn !== undefined && effect.cut === undefined) {
      context.addIssue({ code: "custom", path: ["cutIn"], message: "goes with cut only" });
    }
  });

const ruleSchema = z.strictObject({
  /** Default: `rule-1`, `rule-2` … by the place in the list. */
  id: z.string().min(1).optional(),
  match: z.strictObject({
    method: z
      .string()
      .regex(/^[A-Za-z]+$/, "no method")
      .transform((method) => method.toUpperCase())
      .optional(),
    /**
     * Below `/client/v4`. With a `*` it is a pattern for the whole path (`*` within a segment, `**` over
     * several); without, it stands for itself and all below.
     */
    path: z.string().startsWith("/", "must begin with /").or(z.string().startsWith("**")),
  }),
  effect: effectSchema,
  /** The first call that fails, counting those that match from 1; and that one only, without `times`. */
  on: z.strictObject({ call: z.int().min(1) }).optional(),
  /** How often at most. Default: always; with `on`, once. */
  times: z.int().min(1).optional(),
  /** Of the calls that would fail, this share does: in (0, 1]. */
  probability: z.number().gt(0).max(1).optional(),
  /** Of the draws for `probability`; the same seed draws the same. Default: 1. */
  seed: z.int().optional(),
});

/** What `PUT /__faults` takes. */
export const faultRulesSchema = z.array(ruleSchema).superRefine((rules, context) => {
  const seen = new Set<string>();
  for (const [index, { id }] of rules.entries()) {
    const name = id ?? ruleName(index);
    if (seen.has(name)) context.addIssue({ code: "custom", path: [index, "id"], message: `'${name}' twice` });
    seen.add(name);
  }
});

/** A rule as one writes it. */
export type FaultRule = z.input<typeof ruleSchema>;
export type FaultEffect = z.output<typeof effectSchema>;
type ParsedRule = z.output<typeof ruleSchema>;

/** What has become of a rule. */
export interface FaultHits {
  readonly id: string;
  /** Calls that its method and path fit. */
  readonly matched: number;
  /** Calls that it made fail. */
  readonly hits: number;
}

function ruleName(index: number): string {
  return `rule-${index + 1}`;
}

interface Armed {
  readonly id: string;
  readonly rule: ParsedRule;
  readonly fits: (path: string) => boolean;
  readonly draw: () => number;
  matched: number;
  hits: number;
}

/** The rules in force. They live as long as the process, no longer. */
export class Faults {
  #armed: readonly Armed[] = [];

  /**
   * Replaces all rules, and counts anew.
   * @throws {z.ZodError} that names every mistake with its path; the rules in force stay.
   */
  set(rules: readonly FaultRule[]): void {
    this.arm(faultRulesSchema.parse(rules));
  }

  /** As `set`, for rules that have been parsed. */
  arm(rules: readonly ParsedRule[]): void {
    this.#armed = rules.map((rule, index) => ({
      id: rule.id ?? ruleName(index),
      rule,
      fits: pathMatcher(rule.match.path),
      draw: random(rule.seed ?? 1),
      matched: 0,
      hits: 0,
    }));
  }

  clear(): void {
    this.#armed = [];
  }

  hits(): readonly FaultHits[] {
    return this.#armed.map(({ id, matched, hits }) => ({ id, matched, hits }));
  }

  /** The rules with what has become of them. */
  list(): readonly (ParsedRule & FaultHits)[] {
    return this.#armed.map(({ id, rule, matched, hits }) => ({ ...rule, id, matched, hits }));
  }

  /**
   * What a call meets: the first rule that is due takes it. Every rule counts every call that fits it, also one
   * that another rule takes, so that `on` counts calls as the client does.
   * @param path below `/client/v4`.
   */
  meet(method: string, path: string): FaultEffect | undefined {
    let met: Armed | undefined;
    for (const armed of this.#armed) {
      const { rule } = armed;
      if (rule.match.method !== undefined && rule.match.method !== method.toUpperCase()) continue;
      if (!armed.fits(path)) continue;
      armed.matched += 1;
      if (met === undefined && isDue(armed)) met = armed;
    }
    if (met !== undefined) met.hits += 1;
    return met?.rule.effect;
  }
}

function isDue({ rule, matched, hits, draw }: Armed): boolean {
  const { on, times = on === undefined ? Number.POSITIVE_INFINITY : 1, probability } = rule;
  if (matched < (on?.call ?? 1) || hits >= times) return false;
  // A rule for the n-th call is over after its calls, whoever took them.
  if (on !== undefined && matched >= on.call + times) return false;
  return probability === undefined || draw() < probability;
}

function pathMatcher(pattern: string): (path: string) => boolean {
  if (!pattern.includes("*")) {
    const prefix = pattern.replace(/\/+$/, "");
    return (path) => path === prefix || path.startsWith(`${prefix}/`);
  }
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"),
    )
    .join("");
  const whole = new RegExp(`^${source}$`);
  return (path) => whole.test(path);
}

/** Numbers in [0, 1) that a seed determines: mulberry32. */
function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
