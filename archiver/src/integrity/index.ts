export { inspect } from "./inspect.ts";
export { ObjectChanged, ObjectReader } from "./reader.ts";
export { reindex } from "./reindex.ts";
export { verify } from "./verify.ts";
export { type FileLabels, ForeignFile, parseLabels, readHeader } from "./walk.ts";
