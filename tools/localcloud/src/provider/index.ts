/** The stand-in for Pulumi's Cloudflare provider, and its create calls for use without an engine. */
export { describeFailure } from "./api-error.ts";
export { connect } from "./api.ts";
export { kindOf } from "./kinds/index.ts";
export { requireLoopback } from "./loopback.ts";
export { PROVIDER_VERSION } from "./provider.ts";
