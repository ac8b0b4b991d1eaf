export { consumeInLanes } from "./consume.ts";
export { takeOrder } from "./order.ts";
export { probeCanary, type RunBindings, type RunKind, runInLanes } from "./run.ts";
export { consumeForStable } from "./work.ts";
