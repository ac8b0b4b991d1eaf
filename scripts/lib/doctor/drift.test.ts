import { beforeEach, describe, expect, it } from "vitest";
import { ENVIRONMENTS, topology } from "../../../infra/topology.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT } from "../exit.ts";
import { placeholderIds } from "../render.ts";
import { FakeCloud } from "../test/fake-cloud.ts";
import type { DoctorCheck } from "./check.ts";
import { driftChecks } from "./drift.ts";
import { stateCheck } from "./state.ts";
import { isNameOf } from "./strangers.ts";
import { FakeAccount } from "./test/account.ts";

const wanted = topology("staging");
let account: FakeAccount;
let context: ReleaseContext;

beforeEach(async () => {
  account = new FakeAccount(wanted);
  context = await new FakeCloud().context({
    environment: "staging",
    topology: wanted,
    ids: account.outputs(wanted),
  });
});

const drift = (): Promise<readonly DoctorCheck[]> => driftChecks(context, account.inventory());
const faults = async (): Promise<readonly DoctorCheck[]> =>
  (await drift()).filter(({ status }) => status !== "ok");

describe("an account that is as the topology wants it", () => {
  it("has no fault, and every resource was looked at", async () => {
    expect(await faults()).toEqual([]);
    const ids = (await drift()).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(
      expect.arrayContaining([
        "resources/kv-cache",
        "resources/d1-hub",
        "resources/r2-cold",
        "resources/queue-ingest",
        "resources/worker-hub",
      ]),
    );
  });
});

describe("drift is told with how to mend it:", () => {
  it("a resource that is gone", async () => {
    account.kv.delete(placeholderIds().kv.cache);
    expect(await faults()).toMatchObject([
      {
        id: "resources/kv-cache",
        status: "fail",
        detail: expect.stringContaining(
          "strata-cache-staging (00000000000000000000000000000001) does not exist",
        ),
        mend: "Provision again: npx pulumi up --refresh --stack staging",
      },
    ]);
  });

  it("one that was made again under its name, which a plain pulumi up would not mend", async () => {
    const { hub } = placeholderIds().d1;
    account.d1.delete(hub);
    account.replication.delete(hub);
    account.d1.set("another", "strata-hub-staging");
    const [fault, ...others] = await faults();
    expect(others).toEqual([]);
    expect(fault?.detail).toContain(`has the id another, not ${hub}`);
    expect(fault?.mend).toContain("import");
  });

  it("one under the stack's id with another name", async () => {
    account.kv.set(placeholderIds().kv.cache, "renamed");
    expect(await faults()).toMatchObject([
      { id: "resources/kv-cache", detail: expect.stringContaining("is called renamed") },
    ]);
  });

  it("a stack that was provisioned from other code", async () => {
    const ids = account.outputs(wanted);
    const queues = { ...ids.queues, ingest: { id: "1", name: "strata-intake-staging" } };
    context = { ...context, ids: Object.assign(ids, { queues }) };
    expect(await faults()).toMatchObject([
      {
        id: "resources/queue-ingest",
        detail: expect.stringContaining("the stack knows queue strata-intake-staging"),
      },
    ]);
  });

  it.each<[string, string, (changed: FakeAccount) => void]>([
    [
      "lifecycle rules",
      "resources/lifecycle-cold",
      (changed) => changed.buckets.set("strata-cold-staging", []),
    ],
    [
      "a lifecycle rule that is switched off",
      "resources/lifecycle-media",
      (changed) => {
        const rules = changed.buckets.get("strata-media-staging") ?? [];
        changed.buckets.set(
          "strata-media-staging",
          rules.map((rule) => ({ ...rule, enabled: false })),
        );
      },
    ],
    [
      "a lifecycle rule for a part of the bucket only",
      "resources/lifecycle-media",
      (changed) => {
        const rules = changed.buckets.get("strata-media-staging") ?? [];
        changed.buckets.set(
          "strata-media-staging",
          rules.map((rule) => ({ ...rule, prefix: "a/" })),
        );
      },
    ],
    [
      "crons",
      "resources/crons-archiver",
      (changed) => changed.crons.set("strata-archiver-staging", ["0 0 * * *"]),
    ],
    [
      "a cron on a canary",
      "resources/crons-hub-canary",
      (changed) => changed.crons.set("strata-hub-canary-staging", ["0 0 * * *"]),
    ],
    [
      "settings of a queue",
      "resources/queue-settings-ingest",
      (changed) =>
        changed.queues.set("id of strata-ingest-staging", {
          name: "strata-ingest-staging",
          deliveryDelaySeconds: 5,
          retentionSeconds: 60,
        }),
    ],
    [
      "read replication",
      "resources/replication-hub",
      (changed) => changed.replication.set(placeholderIds().d1.hub, "auto"),
    ],
  ])("%s", async (_, id, change) => {
    change(account);
    expect(await faults()).toMatchObject([
      { id, status: "fail", mend: expect.stringContaining("pulumi up") },
    ]);
  });

  it("all of it at once", async () => {
    account.kv.clear();
    account.buckets.delete("strata-cold-staging");
    account.crons.set("strata-archiver-staging", []);
    expect((await faults()).map(({ id }) => id)).toEqual([
      "resources/kv-cache",
      "resources/kv-snapshots",
      "resources/r2-cold",
      "resources/crons-archiver",
    ]);
  });

  it("what may not be looked at is skipped, and hides nothing else", async () => {
    account.refuse(403, "d1");
    account.kv.clear();
    const found = await faults();
    expect(found.filter(({ status }) => status === "skipped").map(({ id }) => id)).toEqual([
      "resources/d1-hub",
      "resources/d1-archive",
    ]);
    expect(found.filter(({ status }) => status === "fail")).toHaveLength(2);
  });
});

describe("what the account has and the topology does not", () => {
  it("is a warning that names all of it", async () => {
    account.queues.set("1", { name: "strata-old-staging", deliveryDelaySeconds: 0, retentionSeconds: 60 });
    account.workers.set("2", "strata-hub-green-staging");
    account.workers.set("3", "someone-elses-staging");
    const [fault, ...others] = await faults();
    expect(others).toEqual([]);
    expect(fault).toMatchObject({ id: "resources/strangers", status: "warn" });
    expect(fault?.detail).toContain("queue strata-old-staging, Worker strata-hub-green-staging");
  });

  it("belongs to one environment: production's names are those without another's suffix", () => {
    for (const [name, owner] of [
      ["strata-hub-staging", "staging"],
      ["strata-hub-local", "local"],
      ["strata-hub", "production"],
      ["strata-hub-canary", "production"],
    ] as const) {
      expect(ENVIRONMENTS.filter((environment) => isNameOf(environment, name))).toEqual([owner]);
    }
    expect(ENVIRONMENTS.filter((environment) => isNameOf(environment, "other-staging"))).toEqual([]);
  });
});

describe("the stack's state", () => {
  it("is well when the engine would change nothing", async () => {
    const found = await stateCheck(context, async () => ({
      kind: "previewed",
      engine: "pulumi 3",
      changes: [],
    }));
    expect(found.status).toBe("ok");
  });

  it("is a warning with every change that the engine would make", async () => {
    const changes = ["create queue-new", "update r2-cold-lifecycle"];
    const found = await stateCheck(context, async () => ({ kind: "previewed", engine: "pulumi 3", changes }));
    expect(found).toMatchObject({ status: "warn", detail: expect.stringContaining(changes.join(", ")) });
  });

  it("is left to pulumi preview where the engine is not asked, and says so", async () => {
    expect(await stateCheck(context)).toMatchObject({
      status: "skipped",
      detail: expect.stringContaining("npx pulumi preview --refresh --stack staging"),
    });
  });

  it("is skipped when the engine is busy", async () => {
    const found = await stateCheck(context, async () => {
      throw new CliError(EXIT.failed, "the stack is locked");
    });
    expect(found).toMatchObject({ status: "skipped", detail: expect.stringContaining("locked") });
  });
});
