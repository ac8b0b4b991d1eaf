/** A fault, a kill and a Ctrl-C at every call of a release and of a rollback: nothing is ever left half. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CliError, EXIT } from "../exit.ts";
import { source, type FakeCloud } from "../test/fake-cloud.ts";
import {
  INTERFERENCES,
  type CallPoint,
  type Interfere,
  type Interference,
  type Part,
} from "../test/fake-run.ts";
import { OPTIONS, PLAN_WITH_COPIES, released } from "../test/released.ts";
import type { ReleaseOptions, ReleaseTarget } from "./events.ts";
import { release } from "./release.ts";
import { rollback } from "./rollback.ts";

type Tags = FakeCloud["tags"];

interface World {
  readonly cloud: FakeCloud;
  readonly v1: Tags;
}

/** What the release brings, and who judges it. */
interface Scenario {
  readonly name: string;
  readonly target: ReleaseTarget;
  readonly migrates?: boolean;
  /** Reads are copied before phase 1. */
  readonly copies?: boolean;
  readonly prepare?: (cloud: FakeCloud) => void;
}

const optionsOf = ({ copies = false }: Scenario): ReleaseOptions =>
  copies ? { ...OPTIONS, plan: PLAN_WITH_COPIES } : OPTIONS;

const SCENARIOS: readonly Scenario[] = [
  { name: "a good release of both", target: "all" },
  { name: "a good release of the hub", target: "hub" },
  { name: "a good release of the hub, after copies of reads", target: "hub", copies: true },
  {
    name: "a release that its judge takes back by copies of reads",
    target: "hub",
    copies: true,
    prepare: ({ rollouts }) => {
      rollouts.judge = ({ phase }) => (phase === 0 ? "fail" : "pass");
    },
  },
  { name: "a release with a migration", target: "hub", migrates: true },
  {
    name: "a release that its judge takes back in phase 2",
    target: "all",
    prepare: ({ rollouts }) => {
      rollouts.judge = ({ phase }) => (phase === 2 ? "fail" : "pass");
    },
  },
  {
    name: "a release that its judge takes back while the archiver is promoted",
    target: "all",
    prepare: ({ rollouts }) => {
      rollouts.judge = ({ promoted }) => (promoted.length > 0 ? "fail" : "pass");
    },
  },
];

const at =
  (index: number, what: Interference): Interfere =>
  (point) =>
    point.index === index ? what : null;

/** From a call on, everything of a part is out of reach. */
const down =
  (from: number, part: Part): Interfere =>
  (point) =>
    point.index >= from && point.part === part ? "refuse" : null;

/** A run as a process makes it: how it ended is on its exit code, or nowhere when it was killed. */
async function process(work: Promise<unknown>): Promise<number | null> {
  try {
    await work;
    return EXIT.ok;
  } catch (error) {
    return error instanceof CliError ? error.exitCode : null;
  }
}

/** A new world each time, of one that is released only once. */
async function worlds({ prepare, migrates = false }: Scenario): Promise<() => World> {
  const { cloud, v1 } = await released();
  if (migrates) await cloud.migration("hub", "0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
  return () => {
    const fork = cloud.fork();
    prepare?.(fork);
    return { cloud: fork, v1 };
  };
}

async function interrupted(world: World, scenario: Scenario, interfere: Interfere): Promise<number | null> {
  return process(release(await world.cloud.context({ interfere }), scenario.target, optionsOf(scenario)));
}

/** The calls of a run that nothing befalls. */
async function callsOf(scenario: Scenario, { cloud }: World): Promise<readonly CallPoint[]> {
  const context = await cloud.context();
  await process(release(context, scenario.target, optionsOf(scenario)));
  return context.run.points;
}

/** Everything that can befall a run, with a name. */
function perils(points: readonly CallPoint[]): readonly (readonly [string, Interfere])[] {
  return points.flatMap(({ index, call, part }) => [
    ...INTERFERENCES.map((what) => [`${what} at ${index} ${call}`, at(index, what)] as const),
    [`${part} down from ${index} ${call}`, down(index, part)] as const,
  ]);
}

/** What is left half: a rollout that is open still, scripts of two releases, or what must never be. */
function halves({ cloud }: World, whole: readonly Tags[]): readonly string[] {
  const { status } = cloud.rollouts.state;
  const { hub, archiver } = cloud.tags;
  const isWhole = whole.some((tags) => tags.hub === hub && tags.archiver === archiver);
  return [
    ...(["idle", "done", "rolled-back"].includes(status) ? [] : [`the rollout is ${status}`]),
    ...(isWhole ? [] : [`hub ${hub} and archiver ${archiver} do not belong together`]),
    ...cloud.violations,
  ];
}

/** Faults with what they came of. */
const after = (peril: string, faults: readonly string[]): readonly string[] =>
  faults.map((fault) => `${peril}: ${fault}`);

const otherwise = (what: string, code: number | null, wanted: readonly number[]): readonly string[] =>
  code !== null && wanted.includes(code) ? [] : [`the ${what} ended with code ${code}`];

/** The same release again, by an operator who finishes a rollback first where one is left. */
async function finished(world: World, scenario: Scenario): Promise<readonly string[]> {
  const { cloud, v1 } = world;
  const faults: string[] = [...cloud.violations];
  if (cloud.rollouts.state.status === "rolling-back") {
    faults.push(...otherwise("rollback", await process(rollback(await cloud.context())), [EXIT.ok]));
  }
  // What was bad was taken back; the mended judge lets the same code pass.
  cloud.rollouts.judge = () => "pass";
  faults.push(
    ...otherwise(
      "repeat",
      await process(release(await cloud.context(), scenario.target, optionsOf(scenario))),
      [EXIT.ok],
    ),
  );
  const { tags } = cloud;
  if (tags.hub === v1.hub || tags.hub !== tags["hub-canary"]) faults.push(`the hub serves ${tags.hub}`);
  return [...faults, ...halves(world, [tags])];
}

describe.each(SCENARIOS)("$name", (scenario) => {
  it("is finished by the same release again, wherever it was interrupted", async () => {
    const start = await worlds(scenario);
    const all = perils(await callsOf(scenario, start()));
    const faults: string[] = [];
    for (const [peril, interfere] of all) {
      const world = start();
      await interrupted(world, scenario, interfere);
      faults.push(...after(peril, await finished(world, scenario)));
    }
    expect(faults).toEqual([]);
    expect(all.length).toBeGreaterThan(200);
    say(`${scenario.name}: ${all.length} interruptions, then released`);
  });

  it("is taken back whole by a rollback, wherever it was interrupted", async () => {
    const start = await worlds(scenario);
    const all = perils(await callsOf(scenario, start()));
    const faults: string[] = [];
    for (const [peril, interfere] of all) {
      const world = start();
      await interrupted(world, scenario, interfere);
      // Where the release had no effect, or was taken back already, there is nothing to roll back.
      const code = await process(rollback(await world.cloud.context()));
      const ended = otherwise("rollback", code, [EXIT.ok, EXIT.failed]);
      faults.push(...after(peril, [...ended, ...halves(world, [world.v1])]));
    }
    expect(faults).toEqual([]);
    say(`${scenario.name}: ${all.length} interruptions, then rolled back`);
  });
});

describe("a release that is interrupted again and again", () => {
  it("is finished by as many repeats, and uploads nothing twice", async () => {
    const { cloud: before, v1 } = await released();
    const perilous = fc.record({ index: fc.nat({ max: 60 }), what: fc.constantFrom(...INTERFERENCES) });
    await fc.assert(
      fc.asyncProperty(fc.array(perilous, { minLength: 2, maxLength: 5 }), async (dangers) => {
        const cloud = before.fork();
        for (const { index, what } of dangers) {
          await process(release(await cloud.context({ interfere: at(index, what) }), "all", OPTIONS));
        }
        const last = await process(release(await cloud.context(), "all", OPTIONS));
        expect(last).toBe(EXIT.ok);
        expect(halves({ cloud, v1 }, [cloud.tags])).toEqual([]);
        expect(cloud.tags.hub).toBe(cloud.tags["hub-canary"]);
        for (const worker of ["hub", "archiver"] as const) {
          expect(cloud.calls.filter((call) => call === `deploy ${worker}`)).toHaveLength(1);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Where a rollback starts from. */
const OPEN: readonly {
  readonly name: string;
  readonly prepare: (cloud: FakeCloud) => Promise<void>;
  /** Where it may end, too, when it was complete as it was cut off. */
  readonly furtherBack: (v1: Tags) => readonly Tags[];
}[] = [
  {
    name: "an open rollout",
    prepare: async (cloud) => {
      await release(await cloud.context(), "all", { ...OPTIONS, phase: 2 });
    },
    furtherBack: () => [],
  },
  {
    name: "a rollout in the middle of its promotion",
    prepare: async (cloud) => {
      const kill: Interfere = ({ call }) => (call === "deploy hub" ? "kill-after" : null);
      await process(release(await cloud.context({ interfere: kill }), "all", OPTIONS));
    },
    furtherBack: () => [],
  },
  {
    name: "a promoted release",
    prepare: async (cloud) => {
      await release(await cloud.context(), "all", OPTIONS);
    },
    // It goes back twice when it is done twice.
    furtherBack: (v1) => [v1],
  },
];

describe.each(OPEN)("a rollback of $name", ({ name, prepare, furtherBack }) => {
  it("is finished by the same rollback again, wherever it was interrupted", async () => {
    const { cloud: before, v1 } = await released();
    await release(await before.context(), "all", OPTIONS);
    const v2 = before.tags;
    before.sources.hub = source("hub 3");
    before.sources.archiver = source("archiver 3");
    await prepare(before);
    const context = await before.fork().context();
    expect(await process(rollback(context))).toBe(EXIT.ok);
    const all = perils(context.run.points);
    const faults: string[] = [];
    for (const [peril, interfere] of all) {
      const cloud = before.fork();
      await process(rollback(await cloud.context({ interfere })));
      await process(rollback(await cloud.context()));
      faults.push(...after(peril, halves({ cloud, v1 }, [v2, ...furtherBack(v1)])));
    }
    expect(faults).toEqual([]);
    say(`a rollback of ${name}: ${all.length} interruptions`);
  });
});

/** How much was covered is worth a line. */
function say(line: string): void {
  globalThis.process.stderr.write(`${line}\n`);
}
