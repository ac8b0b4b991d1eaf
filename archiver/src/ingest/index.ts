export { ingest } from "./ingest.ts";
export { forgetIngestKeys } from "./keys.ts";
