export { consume, type ConsumeBindings } from "./consume.ts";
export { bytesOrText, identify, readMessage } from "./read-message.ts";
export { findStored, forgetArchivedMessages, type MessageIdentity } from "./store.ts";
