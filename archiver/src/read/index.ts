export { ReadError } from "./fetch.ts";
export { read } from "./read.ts";
