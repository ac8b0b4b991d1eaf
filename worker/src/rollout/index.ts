export { LANE_HEADER, NUMBERS_HEADER, VERSION_HEADER } from "./contract.ts";
export { laneRouter } from "./lane/router.ts";
export { readView, RolloutController } from "./object/index.ts";
export { rolloutRoutes } from "./routes.ts";
