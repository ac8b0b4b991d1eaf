import {
  type Category,
  type Confidence,
  DAY_QUOTAS,
  type KvCall,
  type Operation,
  type Quota,
} from "../model.ts";

/** The quota that an operation draws on. */
export function quotaOf(operation: Operation): Quota {
  switch (operation) {
    case "get":
    case "getWithMetadata":
      return "reads";
    case "put":
      return "writes";
    case "delete":
      return "deletes";
    case "list":
      return "lists";
  }
}

function isWrite(operation: Operation): boolean {
  return operation === "put" || operation === "delete";
}

/** A write that takes so much of the free quota is heavy, whatever it is for. */
const HEAVY_SHARE = 0.01;

const STEP = {
  controlPlaneWrite: 5_000,
  heavyWrite: 4_000,
  putWithoutTtl: 3_000,
  list: 2_000,
  otherWrite: 1_000,
  read: 0,
} as const;

const OF_CATEGORY: Readonly<Record<Category, number>> = { A: 400, B: 200, C: 0 };
const OF_CONFIDENCE: Readonly<Record<Confidence, number>> = { high: 100, medium: 50, low: 0 };
const OF_SHARE = 400;

/** What the weight depends on. */
export interface Weighed {
  readonly call: Pick<KvCall, "operation" | "ttl">;
  readonly category: Category;
  readonly confidence: Confidence;
  readonly perDay: number | null;
}

/**
 * The weight of a call: a step of 1,000 for what it is, and within the step up to 900 points.
 *
 * Steps: 5 write of the control plane; 4 write of high frequency or with 1 % or more of the
 * free daily quota; 3 put without TTL; 2 list; 1 other write; 0 read. Points: 400 for
 * category A or 200 for B, 100 for high confidence or 50 for medium, and 400 × s ÷ (1 + s)
 * where s is the estimate's share of the free daily quota of the operation (0 when unknown).
 * Rounded to two decimals.
 */
export function weigh({ call, category, confidence, perDay }: Weighed): number {
  const share = (perDay ?? 0) / DAY_QUOTAS.free[quotaOf(call.operation)];
  const points = OF_CATEGORY[category] + OF_CONFIDENCE[confidence] + OF_SHARE * (share / (1 + share));
  return Math.round((STEP[stepOf(call, category, share)] + points) * 100) / 100;
}

function stepOf(call: Weighed["call"], category: Category, share: number): keyof typeof STEP {
  if (isWrite(call.operation)) {
    if (category === "A") return "controlPlaneWrite";
    if (category === "B" || share >= HEAVY_SHARE) return "heavyWrite";
    return call.ttl?.verdict === "no" ? "putWithoutTtl" : "otherWrite";
  }
  return call.operation === "list" ? "list" : "read";
}
