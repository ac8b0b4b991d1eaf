/** Rollouts with real wrangler and the built Workers on a local cloud: good ones, bad ones, and interrupted ones. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EXIT } from "./lib/exit.ts";
import { release } from "./lib/release/release.ts";
import { rollback } from "./lib/release/rollback.ts";
import { isOpen } from "./lib/rollout/text.ts";
import { underTraffic } from "./lib/test/clients.ts";
import {
  eventOf,
  eventsOf,
  LocalRun,
  resultOf,
  type Ended,
  type ScriptOptions,
} from "./lib/test/local-run.ts";
import { JUDGED, planText, UNJUDGED } from "./lib/test/plans.ts";

/** How the hub's own progress is waited for. */
const POLL = { timeout: 60_000, interval: 200 } as const;

let run: LocalRun;
/** Plan files. */
const plans = { judged: "", unjudged: "", approval: "" };

beforeAll(async () => {
  run = await LocalRun.start();
  plans.judged = await run.file("judged.ts", planText(JUDGED));
  plans.unjudged = await run.file("unjudged.ts", planText(UNJUDGED));
  const [first = { shares: {} }, ...others] = UNJUDGED.phases;
  const approval = {
    ...UNJUDGED,
    phases: [first, ...others.map((phase) => ({ ...phase, approval: true }))],
  };
  plans.approval = await run.file("approval.ts", planText(approval));
  await release(run.context, "all", { allowContract: true });
});
afterAll(async () => run.stop());
// A test that fails leaves its rollout open: that is its own fault only.
beforeEach(async () => {
  if (isOpen(await run.rollout())) await rollback(run.context, { openOnly: true, force: true });
});

/** Kills the script at the first event that fits. */
const killAt = (fits: (event: Readonly<Record<string, unknown>>) => boolean): ScriptOptions => ({
  onLine: (line, child) => {
    const event = eventOf(line);
    if (event !== null && fits(event)) child.kill("SIGKILL");
  },
});

const isStep = (id: string, status: string) => (event: Readonly<Record<string, unknown>>) =>
  event["type"] === "step" && event["id"] === id && event["status"] === status;

const serving = async () => ({ hub: await run.serving("hub"), archiver: await run.serving("archiver") });

describe("a good release of hub and archiver", () => {
  it("goes through every phase under traffic without a failed request, and is watched meanwhile", async () => {
    const mains = ["--main", await run.good("hub", "2"), "--archiver-main", await run.good("archiver", "2")];
    const before = await serving();
    const args = ["all", ...mains, "--plan", plans.judged, "--json"];
    const watching: Promise<Ended>[] = [];
    const { result, served } = await underTraffic(run.context, () =>
      run.script("release", args, {
        onLine: (line) => {
          const event = eventOf(line);
          if (event === null || !isStep("open-rollout", "done")(event)) return;
          watching.push(run.script("status", ["--watch", "--interval", "200ms", "--json"]));
        },
      }),
    );
    expect(result.exitCode).toBe(EXIT.ok);
    expect(served.failed).toEqual([]);
    expect(served.canary).toBeGreaterThan(30);
    const tags = await serving();
    expect(tags.hub).not.toBe(before.hub);
    expect(tags.archiver).not.toBe(before.archiver);
    expect(resultOf(result)).toMatchObject({
      type: "result",
      releases: [{ target: "all", outcome: "released" }],
    });
    const phases = eventsOf(result).flatMap((event) =>
      event["type"] === "step" && event["status"] === "done" ? [event["id"]] : [],
    );
    expect(phases).toEqual(expect.arrayContaining(["phase-1", "phase-2", "phase-3", "complete-rollout"]));

    const [watched = { exitCode: null, stdout: "", stderr: "nobody watched" }] = await Promise.all(watching);
    expect(watched.stderr).toBe("");
    expect(watched.exitCode).toBe(EXIT.ok);
    const seen = eventsOf(watched).flatMap(({ type, state }) =>
      type === "rollout" && typeof state === "object" && state !== null && "phase" in state
        ? [state.phase]
        : [],
    );
    expect(seen).toEqual(expect.arrayContaining([1, 2, 3]));
    expect(resultOf(watched)).toMatchObject({ type: "result", rollout: { status: "done" } });
  });
});

describe("a bad release", () => {
  it.each([
    [
      "hub that fails a route",
      "hub",
      {
        fetch: `if (request.headers.has("strata-client") && new URL(request.url).pathname === "/tables") {
          return Response.json({ title: "planted" }, { status: 500 });
        }
        return inner();`,
      },
    ],
    [
      "archiver whose queue consumer throws",
      "archiver",
      {
        module: `import { BackgroundWork as Own } from "ENTRY";
export class BackgroundWork extends Own {
  consume() { throw new Error("planted"); }
}`,
      },
    ],
  ] as const)("of a %s is taken back by itself, and users are spared", async (_, worker, parts) => {
    const before = await serving();
    const main = await run.variant(worker, "bad", parts);
    const { result, served } = await underTraffic(run.context, () =>
      run.script("release", [worker, "--main", main, "--plan", plans.judged, "--json"]),
    );
    expect(resultOf(result)).toMatchObject({ type: "error", exitCode: EXIT.rolledBack });
    expect(result.exitCode).toBe(EXIT.rolledBack);
    // Reads are answered by the stable lane instead, and what the canary's consumer failed is done again.
    expect(served.failed).toEqual([]);
    expect(await serving()).toEqual(before);
    expect(await run.rollout()).toMatchObject({ status: "rolled-back", shares: { read: 0, background: 0 } });
  });
});

describe("a rollout that is steered from a second terminal", () => {
  it("is held, let go, promoted, approved and aborted", async () => {
    const main = await run.good("hub", "steered");
    const command = ["hub", "--main", main, "--plan", plans.approval, "--json"];
    const begun = await run.script("release", [...command, "--detach"]);
    expect(resultOf(begun)).toMatchObject({ releases: [{ outcome: "begun" }] });

    const held = await run.script("release", ["hold", "--reason", "lunch", "--json"]);
    expect(resultOf(held)).toMatchObject({ rollout: { status: "paused", pause: { why: "operator" } } });
    const again = await run.script("release", command);
    expect(again.exitCode).toBe(EXIT.held);
    expect(again.stderr).toContain("npm run release:resume -- --env local");

    await run.script("release", ["resume", "--json"]);
    await expect.poll(() => run.rollout(), POLL).toMatchObject({ pause: { why: "approval" } });
    const approved = await run.script("release", ["approve", "--json"]);
    expect(resultOf(approved)).toMatchObject({ rollout: { phase: 2 } });
    const refused = await run.script("release", ["promote", "--phase", "3"]);
    expect(refused.exitCode).toBe(EXIT.failed);
    await run.script("release", ["promote", "--phase", "2", "--json"]);
    expect(await run.rollout()).toMatchObject({ phase: 2, pause: { why: "approval" } });

    const aborted = await run.script("release", ["abort", "--reason", "enough", "--json"]);
    expect(aborted.exitCode).toBe(EXIT.ok);
    expect(await run.rollout()).toMatchObject({ status: "rolled-back", shares: { read: 0 } });
  });
});

describe("a release whose program is killed", () => {
  const args = async (mark: string): Promise<readonly string[]> => {
    const [hub, archiver] = [await run.good("hub", mark), await run.good("archiver", mark)];
    return ["all", "--main", hub, "--archiver-main", archiver, "--plan", plans.unjudged, "--json"];
  };

  it("again and again is finished by the same command, and uploads nothing twice", async () => {
    const before = await serving();
    const command = await args("killed");
    // The hub goes on by itself, so each run names how far it may go until the next one.
    for (const [upTo, id, status] of [
      ["1", "upload-hub-canary", "done"],
      ["1", "open-rollout", "done"],
      ["1", "phase-1", "started"],
      ["2", "phase-2", "started"],
      ["3", "phase-3", "started"],
      [null, "deploy-archiver", "done"],
    ] as const) {
      const phase = upTo === null ? [] : ["--phase", upTo];
      const killed = await run.script("release", [...command, ...phase], killAt(isStep(id, status)));
      expect([id, killed.exitCode]).toEqual([id, null]);
    }
    const ended = await run.script("release", command);
    expect(resultOf(ended)).toMatchObject({ releases: [{ outcome: "released" }] });
    const tags = await serving();
    expect(tags.hub).not.toBe(before.hub);
    expect(tags.archiver).not.toBe(before.archiver);
    for (const worker of ["hub", "hub-canary"] as const) {
      expect((await run.tags(worker)).filter((tag) => tag === tags.hub)).toHaveLength(1);
    }
    expect(await run.rollout()).toMatchObject({ status: "done" });
  });

  it("in the middle of the promotion is taken back whole by a rollback", async () => {
    const before = await serving();
    await run.script("release", await args("halfway"), killAt(isStep("deploy-archiver", "done")));
    expect(await run.serving("archiver")).not.toBe(before.archiver);
    const back = await run.script("rollback", ["--json"]);
    expect(back.exitCode).toBe(EXIT.ok);
    expect(resultOf(back)).toMatchObject({ kind: "lane", returned: [{ worker: "archiver" }] });
    expect(await serving()).toEqual(before);
    expect(await run.rollout()).toMatchObject({ status: "rolled-back", toReturn: [] });
  });
});

describe("a rollout in whose middle the cloud stops and comes back", () => {
  it("goes on where it was, without anyone watching, and is promoted by the same command", async () => {
    const main = await run.good("hub", "restarted");
    const command = ["hub", "--main", main, "--plan", plans.unjudged, "--json"];
    await run.script("release", command, killAt(isStep("phase-1", "started")));
    const { id } = await run.rollout();
    await run.restartCloud();
    expect(await run.rollout()).toMatchObject({ id });
    const ended = await run.script("release", command);
    expect(resultOf(ended)).toMatchObject({ releases: [{ outcome: "released", rolloutId: id }] });
    expect(await run.rollout()).toMatchObject({ id, status: "done" });
  });
});

it("no secret was printed in all of that", () => {
  expect(run.printedSecrets).toEqual([]);
});
