export { RolloutController } from "./controller.ts";
export { readHistory } from "./history.ts";
export { readView, rolloutObject, type RolloutNamespace } from "./stub.ts";
export { hasWebhooks } from "./webhooks.ts";
