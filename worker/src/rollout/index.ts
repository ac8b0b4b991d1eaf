export { LANE_HEADER, VERSION_HEADER } from "./contract.ts";
export { RolloutController } from "./controller.ts";
export { readView } from "./object.ts";
export { laneRouter } from "./router.ts";
export { rolloutRoutes } from "./routes.ts";
