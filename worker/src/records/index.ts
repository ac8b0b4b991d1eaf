export { callArchiver, operationRefusal, retryAfter } from "./archiver.ts";
export { recordsRoutes } from "./routes.ts";
export { DatasetId } from "./shapes.ts";
