/** Two people at two terminals: one promotes, the other takes it back in the same moment. */
import { describe, expect, it } from "vitest";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { failure, OPTIONS, PLAN, released } from "../test/released.ts";
import { releaseMessage } from "./lineage.ts";
import { release } from "./release.ts";
import { rollback } from "./rollback.ts";

/** The context of someone whose deployment of a script is overtaken by other work. */
function overtaken(
  context: ReleaseContext,
  worker: "archiver" | "hub",
  meanwhile: () => Promise<unknown>,
): ReleaseContext {
  let begun = false;
  return {
    ...context,
    wrangler: {
      ...context.wrangler,
      deployVersion: async (config, versionId, message) => {
        if (!begun && config === context.configs[worker]) {
          begun = true;
          await meanwhile();
        }
        await context.wrangler.deployVersion(config, versionId, message);
      },
    },
  };
}

describe.each(["archiver", "hub"] as const)("a rollback while the %s is being promoted", (worker) => {
  it("ends with every stable script on its former version, though the deployment came after it", async () => {
    const { cloud, v1 } = await released();
    const context = overtaken(await cloud.context(), worker, async () => rollback(await cloud.context()));
    const error = await failure(release(context, "all", OPTIONS));
    expect(error.exitCode).toBe(EXIT.rolledBack);
    expect(error.hints.join("\n")).toContain("again.");
    expect(cloud.tags.archiver).toBe(v1.archiver);
    expect(cloud.tags.hub).toBe(v1.hub);
    expect(cloud.rollouts.state).toMatchObject({ status: "rolled-back", toReturn: [] });
  });
});

describe("a deployment that arrives after the rollback has ended", () => {
  it("is taken back by the next rollback, and nothing else with it", async () => {
    const { cloud, v1 } = await released();
    const { wrangler, configs, topology, api } = await cloud.context();
    const killed = overtaken(await cloud.context(), "hub", async () => {
      throw new CliError(EXIT.cancelled, "killed");
    });
    await failure(release(killed, "all", OPTIONS));
    const hub = cloud.rollouts.state.release?.workers.hub;
    const uploaded = (await api.versions(topology.workers.hub.name)).find(({ tag }) => tag === hub?.tag);
    await rollback(await cloud.context());
    // What the killed run had begun goes on by itself.
    const message = releaseMessage(hub?.tag ?? "", hub?.stableVersion ?? null);
    await wrangler.deployVersion(configs.hub, uploaded?.id ?? "", message);
    expect(cloud.tags.hub).not.toBe(v1.hub);
    await rollback(await cloud.context());
    expect(cloud.tags.hub).toBe(v1.hub);
    expect(cloud.tags.archiver).toBe(v1.archiver);
  });
});

describe("a rollout that could not be taken back", () => {
  it("is not opened, for webhooks that nobody could sign", async () => {
    const { cloud } = await released();
    const pre = [{ name: "window", url: "https://gates.example/window", timeoutMs: 1_000, retries: 0 }];
    const plan = { ...PLAN, pre };
    const error = await failure(release(await cloud.context(), "all", { ...OPTIONS, plan }));
    expect(error.exitCode).toBe(EXIT.credentials);
    expect(error.message).toContain("ROLLOUT_WEBHOOK_KEY");
    expect(cloud.rollouts.state.status).toBe("idle");
  });
});
