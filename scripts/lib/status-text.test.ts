import { describe, expect, it } from "vitest";
import { age, statusText } from "./status-text.ts";
import type { StatusReport, WorkerStatus } from "./status.ts";

describe("an age", () => {
  it("is told in the largest unit that fits", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    const ages = [
      "2026-11-22T11:59:30Z",
      "2026-11-22T11:58:00Z",
      "2026-11-22T09:00:00Z",
      "2026-11-19T12:00:00Z",
    ];
    expect(ages.map((at) => age(at, now))).toEqual(["30 s ago", "2 min ago", "3 h ago", "3 d ago"]);
  });
});

describe("the status as people read it", () => {
  it("offers a way back for the hub and the archiver, not for the canary, whose last version may be a refused one", () => {
    const worker = (name: string): WorkerStatus => ({
      name,
      url: null,
      deployedAt: "2026-11-22T11:00:00Z",
      message: null,
      versions: [{ versionId: `${name}-2`, percentage: 100, tag: "v2", uploadedAt: null }],
      rollbackTo: `${name}-1`,
    });
    const report: StatusReport = {
      environment: "local",
      rollout: null,
      rolloutFault: null,
      workers: {
        "archiver-canary": worker("archiver-canary"),
        archiver: worker("archiver"),
        "hub-canary": worker("canary"),
        hub: worker("hub"),
      },
      pendingMigrations: { hub: [], archive: [] },
    };
    const text = statusText(report, Date.parse("2026-11-22T12:00:00Z"));
    expect(text).toContain("a rollback returns to hub-1");
    expect(text).toContain("a rollback returns to archiver-1");
    expect(text).not.toContain("canary-1");
  });
});
