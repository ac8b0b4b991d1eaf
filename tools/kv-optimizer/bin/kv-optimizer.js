#!/usr/bin/env node
// The repository has the sources; a published package has them built, because Node
// strips no types below node_modules.
import { existsSync } from "node:fs";

const source = new URL("./kv-optimizer.ts", import.meta.url);
const built = new URL("../dist/kv-optimizer.js", import.meta.url);
await import((existsSync(source) ? source : built).href);
