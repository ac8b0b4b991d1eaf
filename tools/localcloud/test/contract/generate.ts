/**
 * Writes `operations.json` anew from an unpacked `cf` package:
 *
 *     npm pack cf@0.0.5 && tar xzf cf-0.0.5.tgz
 *     node tools/localcloud/test/contract/generate.ts package
 */
import { writeFileSync } from "node:fs";
import { readOperations } from "./operations.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write("usage: generate.ts <directory of an unpacked cf package>\n");
  process.exitCode = 2;
} else {
  const { cf, operations } = readOperations(directory);
  const file = new URL("operations.json", import.meta.url);
  writeFileSync(file, `${JSON.stringify({ cf, operations }, null, 2)}\n`);
  process.stdout.write(`${operations.length} operations of cf ${cf}\n`);
}
