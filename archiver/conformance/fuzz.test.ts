/** A million damaged blocks and files. Two programs, because only from outside can a hang be told and ended. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { FuzzResult } from "./fuzz.ts";

const CASES = 500_000;
/** Far more than a run takes; one that hangs is killed then, and says how far it came. */
const KILL_AFTER = 280_000;
const MEMORY_MB = 256;

async function fuzz(what: "blocks" | "files", seed: number): Promise<FuzzResult> {
  const program = path.join(import.meta.dirname, "fuzz.ts");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--max-old-space-size=${MEMORY_MB}`, program, what, "--seed", String(seed), "--cases", String(CASES)],
    { timeout: KILL_AFTER },
  );
  return JSON.parse(stdout);
}

describe.concurrent("half a million", () => {
  it("damaged blocks end in a typed error or in exactly their records", { timeout: 300_000 }, async () => {
    const { refused, read } = await fuzz("blocks", 1_000_000);
    expect(refused + read).toBe(CASES);
    expect(refused).toBeGreaterThan(CASES / 2);
    expect(read).toBeGreaterThan(CASES / 100);
  });

  it("damaged files end in a typed error, or are told by their checksum", { timeout: 300_000 }, async () => {
    const { refused, read } = await fuzz("files", 2_000_000);
    expect(refused + read).toBe(CASES);
    expect(refused).toBeGreaterThan(CASES / 2);
    expect(read).toBeGreaterThan(CASES / 100);
  });
});
