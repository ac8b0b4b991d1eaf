import { OpenAPIHono } from "@hono/zod-openapi";
import { ProblemError } from "./problems.ts";
import { zodFaults, type Fault } from "./faults.ts";
import type { HubEnv } from "./bindings.ts";

/**
 * The refusal of an input, with every fault.
 * @param count all faults, when the list holds only the first of them
 */
export function invalid(faults: readonly Fault[], count: number = faults.length): ProblemError {
  return new ProblemError("invalid", {
    detail:
      count === 1
        ? "There is one fault; nothing was done. Mend it and send the request again."
        : `There are ${count} faults; nothing was done. Mend them and send the request again.`,
    extensions: { faults, fault_count: count },
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
