import { Hono } from "hono";
import { ok } from "./envelope.ts";
import { CODE } from "./errors.ts";
import { type Faults, faultRulesSchema } from "./faults.ts";
import { body } from "./request.ts";

/** Where the rules are written and read; the house's own path leads to the same. */
const PATHS = ["/__faults", "/__local/faults"];

/** The rules by which calls fail on purpose, over HTTP. */
export function faultRoutes(faults: Faults): Hono {
  const app = new Hono();
  for (const path of PATHS) {
    app.get(path, (c) => c.json(faults.list()));

    app.put(path, async (c) => {
      faults.arm(await body(c, faultRulesSchema, CODE.INVALID_REQUEST));
      return c.json(faults.list());
    });

    app.delete(path, (c) => {
      faults.clear();
      return ok(c, null);
    });
  }
  return app;
}
