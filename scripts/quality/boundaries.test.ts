import { describe, expect, it } from "vitest";
import { resolveImport, violations } from "./boundaries.ts";

const broken = (from: string, specifier: string): boolean =>
  violations([resolveImport(from, specifier)]).length > 0;

describe("import boundaries", () => {
  it.each([
    ["scripts/release.ts", "../infra/topology.ts"],
    ["scripts/lib/rollout-client.ts", "../../worker/src/rollout/contract.ts"],
    ["scripts/rollout.plan.ts", "../worker/src/rollout/plan.ts"],
    ["scripts/rehearse.ts", "@strata/localcloud"],
    ["scripts/lib/archive/inspect.ts", "../../../archiver/src/ocf/index.ts"],
    ["worker/src/records/routes.ts", "../../../archiver/src/contract.ts"],
    ["worker/src/app.ts", "./rollout/index.ts"],
    ["worker/src/rollout/lane.ts", "./gate.ts"],
    ["infra/index.ts", "./topology.ts"],
    ["infra/engine.test.ts", "../tools/localcloud/src/index.ts"],
    ["scripts/lib/test/fake-rollout.ts", "../../../worker/src/rollout/machine/machine.ts"],
    ["scripts/lib/release/plan.test.ts", "../../../worker/src/rollout/machine/machine.ts"],
  ])("%s may import %s", (from, to) => {
    expect(broken(from, to)).toBe(false);
  });

  it.each([
    ["infra/program.ts", "../scripts/lib/render.ts"],
    ["worker/src/app.ts", "../../archiver/src/index.ts"],
    ["worker/src/app.ts", "../../infra/topology.ts"],
    ["archiver/src/index.ts", "../../worker/src/rollout/contract.ts"],
    ["tools/localcloud/src/server.ts", "../../../infra/topology.ts"],
    ["scripts/release.ts", "../worker/src/app.ts"],
    ["scripts/rollout.plan.ts", "../worker/src/rollout/machine/machine.ts"],
    ["scripts/lib/release/plan.ts", "../../../worker/src/rollout/machine/machine.ts"],
    ["scripts/lib/test/fake-rollout.ts", "../../../worker/src/rollout/machine/transition.ts"],
    ["scripts/lib/archive/inspect.ts", "../../../archiver/src/ocf/header.ts"],
    ["scripts/lib/archive/inspect.ts", "../../../archiver/src/cold/index.ts"],
    ["infra/config.ts", "../archiver/src/ocf/index.ts"],
    ["scripts/release.ts", "../tools/localcloud/src/state/store.ts"],
    ["worker/src/records/routes.ts", "../rollout/gate.ts"],
    ["worker/src/app.ts", "./rollout/gate.ts"],
  ])("%s may not import %s", (from, to) => {
    expect(broken(from, to)).toBe(true);
  });
});
