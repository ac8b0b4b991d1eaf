import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Deployment } from "../cloudflare-api.ts";
import { predecessorOf, releaseMessage, rollbackMessage, rollbackTarget } from "./lineage.ts";

const version = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const TAG = "r-0123456789ab";

function deployment(versionId: string, message: string | null): Deployment {
  return {
    id: message ?? "",
    createdOn: "2026-11-22T00:00:00Z",
    message,
    versions: [{ versionId, percentage: 100 }],
  };
}

/** A script that is released to and rolled back, newest deployment first. */
class History {
  readonly deployments: Deployment[] = [];
  #serial = 0;

  get serving(): string | null {
    return this.deployments[0]?.versions[0]?.versionId ?? null;
  }

  release(): string {
    this.#serial += 1;
    const id = version(this.#serial);
    this.deployments.unshift(deployment(id, releaseMessage(TAG, this.serving)));
    return id;
  }

  /** @returns the version that it left, or `null` when it stayed */
  rollback(): string | null {
    const target = rollbackTarget(this.deployments);
    if (target === null) return null;
    this.deployments.unshift(deployment(target.to, rollbackMessage(target.to, target.predecessor)));
    return target.from;
  }
}

describe("where a rollback leads", () => {
  it("leads to the version that the release replaced", () => {
    const history = new History();
    const first = history.release();
    history.release();
    history.rollback();
    expect(history.serving).toBe(first);
  });

  it("leads nowhere from the first release, nor from a script without any", () => {
    const history = new History();
    expect(rollbackTarget(history.deployments)).toBeNull();
    history.release();
    expect(rollbackTarget(history.deployments)).toBeNull();
  });

  it("goes back twice when it is done twice, and does not return to the bad version", () => {
    const history = new History();
    const [first, second] = [history.release(), history.release()];
    history.release();
    history.rollback();
    expect(history.serving).toBe(second);
    history.rollback();
    expect(history.serving).toBe(first);
    expect(history.rollback()).toBeNull();
  });

  it("never serves a version again that was rolled back, whatever the order of releases and rollbacks", () => {
    /** Versions that came to serve after they had been left by a rollback. */
    const returned = (releases: readonly boolean[]): readonly string[] => {
      const history = new History();
      const left = new Set<string>();
      return releases.flatMap((isRelease) => {
        const from = isRelease ? null : history.rollback();
        if (isRelease) history.release();
        if (from !== null) left.add(from);
        return history.serving !== null && left.has(history.serving) ? [history.serving] : [];
      });
    };
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (releases) => {
        expect(returned(releases)).toEqual([]);
      }),
    );
    expect.hasAssertions();
  });

  it("ends after as many rollbacks as there were releases", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (count) => {
        const history = new History();
        for (let n = 0; n < count; n += 1) history.release();
        let rollbacks = 0;
        while (rollbacks < count && history.rollback() !== null) rollbacks += 1;
        expect(rollbacks).toBe(count - 1);
      }),
    );
  });

  it("leads from a version that another tool deployed to the newest one of ours", () => {
    const history = new History();
    history.release();
    const ours = history.release();
    history.deployments.unshift(deployment(version(99), "from the dashboard"));
    expect(rollbackTarget(history.deployments)).toMatchObject({ from: version(99), to: ours });
  });

  it("leads nowhere from a split, which is not ours", () => {
    const history = new History();
    history.release();
    const versions = [
      { versionId: version(1), percentage: 90 },
      { versionId: version(2), percentage: 10 },
    ];
    history.deployments.unshift({ ...deployment(version(2), null), versions });
    expect(rollbackTarget(history.deployments)).toBeNull();
  });

  it("reads the predecessor from a full deploy's message too, which also carries the settings", () => {
    const message = releaseMessage(`${TAG} settings 0123abcd`, version(1));
    expect(predecessorOf(version(2), [deployment(version(2), message)])).toBe(version(1));
  });
});
