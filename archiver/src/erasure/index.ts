export { continueErasures, erase, ERASURE_BOUNDS, listErasures, SCHEDULED_ERASURE_BOUNDS } from "./erase.ts";
