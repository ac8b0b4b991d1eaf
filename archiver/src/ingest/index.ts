export { ingest } from "./ingest.ts";
