import { beforeAll, describe, expect, it } from "vitest";
import type { DeployedScript, ScriptVersion } from "../model.ts";
import { lexerReady } from "./module-exports.ts";
import { exportsEntrypoint, hostOf, placementKey } from "./placement.ts";
import { objectClass, version } from "./test-scripts.ts";

const PLAIN = "export default {};";
const WITH_COUNTER = "export class Counter {}; export default {};";

beforeAll(() => lexerReady);

function script(
  shares: readonly (readonly [ScriptVersion, number])[],
  classes: readonly string[] = ["Counter"],
): DeployedScript {
  return {
    name: "hub",
    port: 1,
    versions: shares.map(([shared, percentage]) => ({ version: shared, percentage })),
    durableObjectClasses: classes.map((name) => objectClass(name)),
    crons: [],
    public: true,
  };
}

describe("the host of a Durable Object class", () => {
  it("is the version with the largest share", () => {
    const [older, newer] = [version("hub", WITH_COUNTER), version("hub", WITH_COUNTER)];
    const hub = script([
      [older, 90],
      [newer, 10],
    ]);
    expect(hostOf(hub, "Counter")).toBe(older);
  });

  it("is the newest of equal shares", () => {
    const [older, newer] = [version("hub", WITH_COUNTER), version("hub", WITH_COUNTER)];
    const hub = script([
      [older, 50],
      [newer, 50],
    ]);
    expect(hostOf(hub, "Counter")).toBe(newer);
  });

  it("must export the class", () => {
    const [older, newer] = [version("hub", PLAIN), version("hub", WITH_COUNTER)];
    const hub = script([
      [older, 90],
      [newer, 10],
    ]);
    expect(hostOf(hub, "Counter")).toBe(newer);
  });

  it("may re-export the class from anywhere", () => {
    const hub = script([[version("hub", `export * from "./counter.js"; export default {};`), 100]]);
    expect(hostOf(hub, "Counter")).toBeDefined();
  });

  it("does not exist for a class that the script does not own or export", () => {
    const hub = script([[version("hub", PLAIN), 100]]);
    expect(hostOf(hub, "Counter")).toBeUndefined();
    expect(hostOf(script([[version("hub", WITH_COUNTER), 100]], []), "Counter")).toBeUndefined();
  });
});

describe("an entrypoint of a split script", () => {
  it("must be in all its versions", () => {
    const hub = script([
      [version("hub", PLAIN), 90],
      [version("hub", "export class Admin {}; export default {};"), 10],
    ]);
    expect(exportsEntrypoint(hub, "Admin")).toBe(false);
    expect(exportsEntrypoint(hub, "default")).toBe(true);
  });
});

describe("what workerd sees of a state", () => {
  const [older, newer] = [version("hub", WITH_COUNTER), version("hub", WITH_COUNTER)];
  const base = script([
    [older, 90],
    [newer, 10],
  ]);

  it("does not change with ports, crons, visibility, the order of versions, or small changes of shares", () => {
    const changed: DeployedScript = {
      ...script([
        [newer, 30],
        [older, 70],
      ]),
      port: 2,
      crons: ["* * * * *"],
      public: false,
    };
    expect(placementKey([changed])).toBe(placementKey([base]));
  });

  it("changes with the versions, the classes, and the host of a class", () => {
    const others = [
      script([[older, 100]]),
      script([
        [older, 40],
        [newer, 60],
      ]),
      { ...base, durableObjectClasses: [objectClass("Counter", false)] },
    ];
    for (const other of others) expect(placementKey([other])).not.toBe(placementKey([base]));
  });
});
