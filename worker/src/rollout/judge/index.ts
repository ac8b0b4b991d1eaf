/** The judge of a rollout: pure; see `judge.ts`, `beyond-doubt.ts` and `budget.ts`. */
export { beyondDoubt } from "./beyond-doubt.ts";
export { bucketOf, quantile } from "./histogram.ts";
export { judge } from "./judge.ts";
export { PAIRED_SHARES, type Evidence } from "./scope.ts";
export { addSeries } from "./series.ts";
