export { type Block, parseBlock } from "./block.ts";
export { type Codec, parseCodec } from "./codec.ts";
export { OcfError } from "./error.ts";
export { readFile, writeFile } from "./file.ts";
export { type Header, parseHeader, SYNC_BYTES } from "./header.ts";
