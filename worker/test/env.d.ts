/// <reference types="@cloudflare/workers-types/index.d.ts" />
/// <reference types="@cloudflare/vitest-plugin/types" />
import type { D1Migration } from "cloudflare:test";
import type { Env as HubEnv } from "../src/env.generated.ts";

/** What the test pool's environment holds: the hub's bindings, and the migrations to apply. */
declare global {
  namespace Cloudflare {
    interface Env extends HubEnv {
      readonly TEST_MIGRATIONS: D1Migration[];
    }
  }
}
