/**
 * Levels of the codecs in an archive run, where they are not the codec's own. A
 * run works against the CPU time of an invocation: deflate 4 is 1.3 to 1.7 times
 * as fast as zlib's own 6, for 0 to 5 % more bytes (`bench/levels.ts`), which last
 * until compaction compresses them again and harder.
 */
import type { Codec } from "../ocf/index.ts";

export const LEVELS: Readonly<Partial<Record<Codec, number>>> & { readonly deflate: number } = { deflate: 4 };
