export { readWorkerConfigs } from "./configs.ts";
export { runsPerDay, shortestGapMinutes } from "./cron.ts";
