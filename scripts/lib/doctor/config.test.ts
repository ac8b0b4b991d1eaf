import { describe, expect, it } from "vitest";
import { topology } from "../../../infra/topology.ts";
import { definePlan, InvalidPlanError } from "../../../worker/src/rollout/plan.ts";
import { EXIT } from "../exit.ts";
import { check, exitCodeOf, isHealthy } from "./check.ts";
import { configChecks, loadPlan, planCheck, type ConfigFacts } from "./config.ts";
import { tokenChecks, isOpenTo } from "./token.ts";
import { FakeAccount } from "./test/account.ts";
import { isAtLeast } from "./tools.ts";

const COMPLETE: ConfigFacts = {
  environment: "staging",
  topology: topology("staging"),
  env: { CLOUDFLARE_API_TOKEN: "t" },
  known: new Set(["ADMIN_TOKEN", "BOOTSTRAP_API_KEY"]),
  accountId: null,
};
const ids = (facts: Partial<ConfigFacts>): readonly string[] =>
  configChecks({ ...COMPLETE, ...facts })
    .filter(({ status }) => status !== "ok")
    .map(({ id }) => id);

describe("the configuration", () => {
  it("is well when everything is known", () => {
    expect(ids({})).toEqual([]);
  });

  it("lists every fault at once", () => {
    const env = { CLOUDFLARE_API_BASE_URL: "nowhere", STRATA_HUB_URL: "ftp://hub" };
    expect(ids({ env, known: new Set() })).toEqual([
      "config/api-token",
      "config/api-address",
      "config/cloudflare-api-base-url",
      "config/strata-hub-url",
      "config/admin-token",
      "config/secrets",
    ]);
  });

  it("takes two names of one address for the same, and two addresses for a contradiction", () => {
    const env = { CLOUDFLARE_API_TOKEN: "t", CLOUDFLARE_API_BASE_URL: "https://a.test/v4/" };
    expect(ids({ env: { ...env, CLOUDFLARE_BASE_URL: "https://a.test/v4" } })).toEqual([]);
    expect(ids({ env: { ...env, CLOUDFLARE_BASE_URL: "https://b.test/v4" } })).toEqual([
      "config/api-address",
    ]);
  });

  it("warns of another account than the stack's", () => {
    const env = { CLOUDFLARE_API_TOKEN: "t", CLOUDFLARE_ACCOUNT_ID: "mine" };
    expect(ids({ env, accountId: "mine" })).toEqual([]);
    expect(ids({ env, accountId: "theirs" })).toEqual(["config/account"]);
  });

  it("asks for none of it on the local cloud, which brings its own", () => {
    expect(ids({ environment: "local", env: {} })).toEqual([]);
  });

  it("does not print the values of secrets", () => {
    const env = { CLOUDFLARE_API_TOKEN: "planted-token", ADMIN_TOKEN: "planted-admin" };
    expect(JSON.stringify(configChecks({ ...COMPLETE, env }))).not.toContain("planted");
  });
});

describe("the rollout plan", () => {
  it("that comes with the blueprint is well for every environment", async () => {
    for (const environment of ["local", "production"] as const) {
      expect((await planCheck(() => loadPlan(environment))).status).toBe("ok");
    }
  });

  it("is told with every fault when it is not valid", async () => {
    const found = await planCheck(async () =>
      definePlan({ phases: [{ shares: { read: 200 }, soakMs: -1 }] }),
    );
    expect(found.status).toBe("fail");
    expect(found.detail).toContain("/phases/0/shares/read");
    expect(found.detail).toContain("/phases/0/soakMs");
    await expect(planCheck(async () => Promise.reject(new TypeError("not a plan")))).rejects.toThrow(
      TypeError,
    );
    expect(new InvalidPlanError([]).faults).toEqual([]);
  });
});

describe("the API token", () => {
  const account = (): FakeAccount => new FakeAccount(topology("staging"));
  const PRODUCTS = ["workers", "kv", "d1", "r2", "queues"] as const;

  it("is well when every product answers", async () => {
    const checks = await tokenChecks(account().inventory());
    expect(checks.map(({ status }) => status)).toEqual(Array(6).fill("ok"));
    expect(isOpenTo(checks)).toBe(true);
  });

  it("is told by each group of permissions that it lacks", async () => {
    const lacking = account();
    lacking.refuse(403, "d1", "queues");
    const faults = (await tokenChecks(lacking.inventory())).filter(({ status }) => status === "fail");
    expect(faults.map(({ id }) => id)).toEqual(["token/d1", "token/queues"]);
    expect(faults[0]?.mend).toContain('"D1: Edit"');
  });

  it("that belongs to an account cannot verify itself, which is no fault", async () => {
    const owned = account();
    owned.refuse(401, "token");
    const checks = await tokenChecks(owned.inventory());
    expect(checks[0]).toMatchObject({ id: "token/active", status: "skipped" });
    expect(checks.every(({ status }) => status !== "fail")).toBe(true);
  });

  it("is one fault when all products refuse it, and when the API is away", async () => {
    const refused = account();
    refused.refuse(401, "token", ...PRODUCTS);
    expect(await tokenChecks(refused.inventory())).toMatchObject([{ id: "token/active", status: "fail" }]);
    const away = account();
    away.refuse(null, "token", ...PRODUCTS);
    const checks = await tokenChecks(away.inventory());
    expect(checks).toMatchObject([{ id: "token/api", status: "fail", mend: "Check the network." }]);
    expect(isOpenTo(checks)).toBe(false);
  });

  it("that is disabled is a fault although products answer", async () => {
    const disabled = account();
    disabled.token = "disabled";
    expect((await tokenChecks(disabled.inventory()))[0]).toMatchObject({ status: "fail" });
  });
});

describe("the exit code", () => {
  const report = (...checks: readonly ReturnType<typeof check>[]) => ({ environment: "staging", checks });

  it("is 0 while nothing failed, whatever is warned of or skipped", () => {
    const checks = [check("config", "a", "warn", ""), check("token", "active", "skipped", "")];
    expect(exitCodeOf(report(...checks))).toBe(EXIT.ok);
    expect(isHealthy(report(...checks))).toBe(true);
  });

  it("is 1 for a failure, and 4 where a credential is missing or refused", () => {
    const drift = check("resources", "kv-cache", "fail", "");
    expect(exitCodeOf(report(drift))).toBe(EXIT.failed);
    expect(exitCodeOf(report(drift, check("config", "api-token", "fail", "")))).toBe(EXIT.credentials);
  });
});

describe("versions of tools", () => {
  it.each([
    ["v24.1.0", ">=22.13", true],
    ["v22.13.0", ">=22.13", true],
    ["v22.9.1", ">=22.13", false],
    ["v20.20.2", ">=22.13", false],
    ["v100.0.0", ">=22.13", true],
  ])("%s against %s", (version, range, fits) => {
    expect(isAtLeast(version, range)).toBe(fits);
  });
});
