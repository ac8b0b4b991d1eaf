export { consume, type ConsumeBindings } from "./consume.ts";
export { bytesOrText, readMessage } from "./read-message.ts";
export { forgetArchivedMessages } from "./store.ts";
