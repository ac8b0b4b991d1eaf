export {
  type Block,
  encodeBlock,
  type Frame,
  type Framing,
  MAX_BLOCK_BYTES,
  parseBlock,
  type ParsedBlock,
  parseFrame,
  reframe,
} from "./block.ts";
export { type Codec, codecIsAvailable, CODECS, parseCodec } from "./codec.ts";
export { OcfError, type OcfFault } from "./error.ts";
export { readBlocks, readFile, writeFile, type WrittenBlock, type WrittenFile } from "./file.ts";
export { encodeHeader, type Header, type ParsedHeader, parseHeader, SYNC_BYTES } from "./header.ts";
