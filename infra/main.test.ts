import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const run = promisify(execFile);
const mainUrl = new URL("main.js", import.meta.url).href;

/** Runs the entry of `pulumi up` in a Node of its own and answers what it threw, or `null`. */
async function runEntry(nodeOptions: readonly string[]): Promise<string | null> {
  const script = `
    const { default: main } = await import(${JSON.stringify(mainUrl)});
    console.log(JSON.stringify(await main().then(() => null, (error) => error.constructor.name + ": " + error.message)));`;
  const { stdout } = await run(process.execPath, [...nodeOptions, "--input-type=module", "-e", script]);
  return JSON.parse(stdout);
}

describe("the entry of pulumi up", () => {
  test("says how to be started when this Node cannot run TypeScript", async () => {
    expect(await runEntry(["--no-experimental-strip-types"])).toMatch(
      /^RunError: This program needs a Node that runs TypeScript .*npx pulumi up --stack <stack>$/,
    );
  });

  test("goes on to the program, which names the stack when that is no environment", async () => {
    expect(await runEntry([])).toMatch(/^RunError: Stack "stack" is configured wrongly/);
  });
});
