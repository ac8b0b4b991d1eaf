/** The hub Worker: stable and canary are this same bundle under two names. */
import { createHub } from "./app.ts";
import type { Env } from "./env.generated.ts";

export { RolloutController } from "./rollout/index.ts";

const hub = createHub();

export default {
  fetch: (request, env, ctx) => hub.fetch(request, env, ctx),
} satisfies ExportedHandler<Env>;
