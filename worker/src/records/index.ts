export { callArchiver } from "./archiver.ts";
export { recordsRoutes } from "./routes.ts";
