export { consume } from "./consume.ts";
export { forgetArchivedMessages } from "./store.ts";
