/**
 * `node bench/run.ts [name …] [--write]`: runs the named benches, or all of them,
 * and prints their tables. `--write` renews the tables of docs/benchmarks.md.
 * Ends with 1 when a goal was not reached.
 */
import { archive } from "./archive.ts";
import { blocks } from "./blocks.ts";
import { cost } from "./cost.ts";
import { encode } from "./encode.ts";
import { judge } from "./judge.ts";
import { kvAudit } from "./kv-audit.ts";
import { levels } from "./levels.ts";
import { writeReport } from "./lib/document.ts";
import { describeMachine } from "./lib/machine.ts";
import { type Bench, markdownReport } from "./lib/report.ts";
import { read } from "./read.ts";
import { size } from "./size.ts";
import { tenants } from "./tenants.ts";

const BENCHES: readonly Bench[] = [
  encode,
  levels,
  blocks,
  size,
  read,
  tenants,
  archive,
  cost,
  judge,
  kvAudit,
];

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const write = process.argv.includes("--write");
const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  process.stderr.write(`There is no bench ${unknown.join(", ")}. There are:\n`);
  for (const { name, about } of BENCHES) process.stderr.write(`  ${name.padEnd(8)} ${about}\n`);
  process.exit(2);
}

const machine = await describeMachine(new Date());
for (const bench of BENCHES.filter(({ name }) => names.length === 0 || names.includes(name))) {
  process.stderr.write(`${bench.name}: ${bench.about}\n`);
  const report = await bench.run();
  const text = markdownReport(report, machine);
  process.stdout.write(`\n## ${bench.name}\n\n${text}\n\n`);
  if (write) await writeReport(bench.name, text);
  if (report.goals.some(({ reached }) => !reached)) process.exitCode = 1;
}
