import { OpenAPIHono } from "@hono/zod-openapi";
import { ProblemError } from "./problems.ts";
import { zodFaults, type Fault } from "./faults.ts";
import type { HubEnv } from "./bindings.ts";

/** Faults that a refusal lists; the others are only counted. */
export const MAX_LISTED_FAULTS = 100;

/**
 * The refusal of an input, with its faults.
 * @param count all faults, when the list holds only the first of them
 * @param remark what else the client has to know
 */
export function invalid(faults: readonly Fault[], count: number = faults.length, remark = ""): ProblemError {
  const summary =
    count === 1
      ? "There is one fault; nothing was done. Mend it and send the request again."
      : `There are ${count} faults; nothing was done. Mend them and send the request again.`;
  return new ProblemError("invalid", {
    detail: `${summary} ${remark}`.trim(),
    extensions: { faults: faults.slice(0, MAX_LISTED_FAULTS), fault_count: count },
  });
}

/** A set of documented routes; input that does not fit its schema is refused with every fault. */
export function createRouter(): OpenAPIHono<HubEnv> {
  return new OpenAPIHono<HubEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(zodFaults(result.error));
    },
  });
}
