/**
 * `npm test`: the static checks, then every test. Each static check counts as
 * one test; the last line says how many passed and failed. `--only checks` and
 * `--only tests` run one half.
 */
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { $ } from "zx";
import { z } from "zod";

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const root = path.resolve(import.meta.dirname, "../..");
const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
const REPORT = path.join(root, ".strata", "test-report.json");

$.cwd = root;
$.nothrow = true;
$.env = { ...process.env, WRANGLER_SEND_METRICS: "false", FORCE_COLOR: process.stderr.isTTY ? "1" : "0" };

const CHECKS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "generated types are current", command: ["node", "scripts/render-types.ts", "--check"] },
  { name: "types (Node)", command: ["tsc", "-p", "tsconfig.node.json"] },
  { name: "types (Workers)", command: ["tsc", "-p", "tsconfig.workers.json"] },
  { name: "lint", command: ["oxlint", "--deny-warnings"] },
  { name: "format", command: ["oxfmt", "--check", "."] },
  { name: "dead code", command: ["knip", "--no-progress"] },
  { name: "import boundaries", command: ["node", "scripts/quality/check-boundaries.ts"] },
  { name: "KV use", command: ["npm", "run", "--silent", "kv:check"] },
];

const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numFailedTestSuites: z.number(),
  success: z.boolean(),
});

async function runChecks(tally: Tally): Promise<void> {
  for (const { name, command } of CHECKS) {
    const started = Date.now();
    const result = await $`${command}`.quiet();
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    process.stderr.write(`${result.exitCode === 0 ? "✓" : "✗"} ${name} (${seconds} s)\n`);
    if (result.exitCode === 0) {
      tally.passed += 1;
    } else {
      tally.failed += 1;
      process.stderr.write(`${result.stdout}${result.stderr}\n`);
    }
  }
}

async function runTests(tally: Tally): Promise<void> {
  await mkdir(path.dirname(REPORT), { recursive: true });
  const run = $({
    stdio: ["ignore", "inherit", "inherit"],
  })`vitest run --reporter=default --reporter=json --outputFile.json=${REPORT}`;
  const { exitCode } = await run;
  const parsed = reportSchema.safeParse(JSON.parse(await readFile(REPORT, "utf8").catch(() => "null")));
  if (!parsed.success) {
    process.stderr.write("vitest left no report\n");
    tally.failed += 1;
    return;
  }
  const report = parsed.data;
  tally.passed += report.numPassedTests;
  tally.skipped += report.numPendingTests;
  // A file that fails to load, or an unhandled error, fails the run without a failed test.
  tally.failed += exitCode === 0 ? 0 : Math.max(report.numFailedTests, 1);
}

const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
if (only !== "tests") await runChecks(tally);
if (only !== "checks") await runTests(tally);
process.stderr.write(`${((Date.now() - started) / 1000).toFixed(0)} s\n`);
const skipped = tally.skipped === 0 ? "" : `, ${tally.skipped} skipped`;
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed${skipped}\n`);
if (tally.failed > 0) process.exitCode = 1;
