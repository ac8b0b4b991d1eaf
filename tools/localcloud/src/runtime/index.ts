export { createRuntime } from "./runtime.ts";
