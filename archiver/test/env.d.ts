/** What the test pool adds to the environment. */
import type { D1Migration } from "cloudflare:test";
import type { Env as ArchiverEnv } from "../src/env.generated.ts";

interface ArchiverTestEnv extends ArchiverEnv {
  readonly TEST_MIGRATIONS: D1Migration[];
}

declare global {
  namespace Cloudflare {
    interface Env extends ArchiverTestEnv {}
  }
}
