import { describe, expect, it } from "vitest";
import type { ScriptVersion } from "../cloudflare-api.ts";
import {
  isCurrent,
  settingsFingerprint,
  uploadedBefore,
  versionMessage,
  type ReleaseMark,
  type ScriptState,
} from "./script-state.ts";

const MARK: ReleaseMark = { tag: "r-0123456789ab", settings: "00ff00ff" };

function version(number: number, change: Partial<ScriptVersion> = {}): ScriptVersion {
  return {
    id: `v${number}`,
    number,
    createdOn: "2026-11-22T00:00:00Z",
    tag: MARK.tag,
    message: versionMessage(MARK),
    ...change,
  };
}

function state(versions: readonly ScriptVersion[], current: string | null, secrets = {}): ScriptState {
  return { worker: "hub", deployments: [], versions, current, secrets, needsFullDeploy: false };
}

describe("a release that is found again on a script", () => {
  it("serves when the served version has its tag and its settings", () => {
    expect(isCurrent(state([version(1)], "v1"), MARK)).toBe(true);
    expect(isCurrent(state([version(1, { tag: "r-ba9876543210" })], "v1"), MARK)).toBe(false);
  });

  it("does not serve when the same code has other settings", () => {
    const other = version(1, { message: versionMessage({ ...MARK, settings: "11111111" }) });
    expect(isCurrent(state([other], "v1"), MARK)).toBe(false);
  });

  it("does not serve while a secret is missing", () => {
    expect(isCurrent(state([version(1)], "v1", { ADMIN_TOKEN: "t" }), MARK)).toBe(false);
  });

  it("is recognised by a full deploy's message, which also names the predecessor", () => {
    const full = version(1, { message: `${versionMessage(MARK)} replaces v0` });
    expect(isCurrent(state([full], "v1"), MARK)).toBe(true);
  });

  it("was uploaded before only as the newest version: a later one may have changed a secret", () => {
    const secretChange = version(2, { tag: null, message: "Updated secret" });
    expect(uploadedBefore(state([version(1)], null), MARK)).toBe("v1");
    expect(uploadedBefore(state([secretChange, version(1)], null), MARK)).toBeNull();
  });
});

describe("the fingerprint of a Worker's settings", () => {
  const config = (change: object): string =>
    JSON.stringify({ $schema: "../a.json", main: "../a.ts", vars: { LANE: "stable" }, ...change });

  it("does not depend on where the config stands", () => {
    expect(settingsFingerprint(config({ main: "elsewhere.ts" }))).toBe(settingsFingerprint(config({})));
  });

  it("changes with a variable and with an id", () => {
    const prints = [
      {},
      { vars: { LANE: "canary" } },
      { kv_namespaces: [{ id: "1" }] },
      { kv_namespaces: [{ id: "2" }] },
    ];
    expect(new Set(prints.map((change) => settingsFingerprint(config(change)))).size).toBe(prints.length);
  });
});
