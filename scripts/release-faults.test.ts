/** Releases while the API fails: they end released, or say where they stand and are finished by the same command. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FaultRule } from "@strata/localcloud";
import { EXIT } from "./lib/exit.ts";
import { release } from "./lib/release/release.ts";
import { isOpen } from "./lib/rollout/text.ts";
import { LocalRun, resultOf } from "./lib/test/local-run.ts";
import { planText, UNJUDGED } from "./lib/test/plans.ts";

let run: LocalRun;
let plan: string;

beforeAll(async () => {
  run = await LocalRun.start();
  plan = await run.file("plan.ts", planText(UNJUDGED));
  await release(run.context, "all", { allowContract: true });
});
afterAll(async () => run.stop());
afterEach(() => run.cloud.faults.set([]));

const SCRIPTS = "/accounts/*/workers/scripts/*";
const rule = (method: string, path: string, effect: FaultRule["effect"], call = 1): FaultRule => ({
  id: "planted",
  match: { method, path: `${SCRIPTS}/${path}` },
  effect,
  on: { call },
});

const hits = (): number => run.cloud.faults.hits().find(({ id }) => id === "planted")?.hits ?? 0;

let serial = 0;
async function command(): Promise<readonly string[]> {
  serial += 1;
  return ["hub", "--main", await run.good("hub", `fault-${serial}`), "--plan", plan, "--json"];
}

describe("a release", () => {
  it("waits as long as the API asks for, and then goes on", async () => {
    const effect = { status: 429, message: "Rate limited", headers: { "retry-after": "1" } };
    run.cloud.faults.set([rule("GET", "deployments", effect)]);
    const ended = await run.script("release", await command());
    expect(hits()).toBe(1);
    expect(resultOf(ended)).toMatchObject({ releases: [{ outcome: "released" }] });
  });

  it.each<readonly [string, FaultRule]>([
    ["an upload is answered with 500", rule("POST", "versions", { status: 500, message: "Oops" })],
    [
      "the connection is cut in the middle of an upload",
      rule("POST", "versions", { cut: 20_000, cutIn: "request" }),
    ],
    ["the canary's deployment is refused", rule("POST", "deployments", { status: 500, message: "Oops" })],
    ["the answer to the stable deployment is lost", rule("POST", "deployments", { drop: "after" }, 2)],
  ])("is released, or is finished by the same command, when %s", async (_, fault) => {
    const args = await command();
    const before = await run.serving("hub");
    run.cloud.faults.set([fault]);
    const ended = await run.script("release", args);
    expect(hits()).toBe(1);
    run.cloud.faults.set([]);
    const rollout = await run.rollout();
    // Either it went on all the same, or it says in one sentence which rollout it has left, if any.
    const says = isOpen(rollout) ? String(rollout.id) : "";
    const stopped = { type: "error", exitCode: EXIT.failed };
    expect(resultOf(ended)).toMatchObject(ended.exitCode === EXIT.ok ? { type: "result" } : stopped);
    expect(ended.stderr).toContain(says);
    expect(ended.stderr).not.toMatch(/^\s+at .+:\d+:\d+\)?$/m);
    const again = await run.script("release", args);
    const outcome = ended.exitCode === EXIT.ok ? "unchanged" : "released";
    expect(resultOf(again)).toMatchObject({ releases: [{ outcome }] });
    expect(await run.rollout()).toMatchObject({ status: "done" });
    expect(await run.serving("hub")).toBe(await run.serving("hub-canary"));
    expect(await run.serving("hub")).not.toBe(before);
  });
});

it("no secret was printed in all of that", () => {
  expect(run.printedSecrets).toEqual([]);
});
