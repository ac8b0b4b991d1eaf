import { describe, expect, it } from "vitest";
import { EvidenceBook, MAX_REPORTERS, RECENT_INTERVALS } from "./evidence.ts";
import { series } from "./test-world.ts";

const SHARES = { read: 10, write: 0, background: 0 };
const book = (): EvidenceBook => new EvidenceBook({ rolloutId: "rollout-1", phase: 1 });
const reportOf = (reporter: string, sequence: number, requests = 1) => ({
  reporter,
  sequence,
  rolloutId: "rollout-1",
  phase: 1,
  series: [series({ requests })],
});
const counted = (list: readonly { readonly requests: number }[]): number =>
  list.reduce((sum, { requests }) => sum + requests, 0);

describe("evidence", () => {
  it("is told in all, and of the last intervals", () => {
    const evidence = book();
    for (let interval = 1; interval <= RECENT_INTERVALS + 3; interval += 1) {
      evidence.add(reportOf("isolate-1", interval, 10), true);
      evidence.closeInterval();
    }
    const { total, recent } = evidence.evidence(SHARES, { reachable: true });
    expect(counted(total)).toBe(10 * (RECENT_INTERVALS + 3));
    expect(counted(recent)).toBe(10 * RECENT_INTERVALS);
  });

  it("is the same again from its snapshot", () => {
    const evidence = book();
    for (let interval = 1; interval <= 9; interval += 1) {
      evidence.add(reportOf("isolate-1", interval, interval), true);
      evidence.closeInterval();
    }
    const again = new EvidenceBook(evidence.snapshot());
    expect(again.evidence(SHARES, { reachable: true })).toEqual(
      evidence.evidence(SHARES, { reachable: true }),
    );
    expect(again.add(reportOf("isolate-1", 9), true)).toBe(false);
    expect(again.add(reportOf("isolate-1", 10), true)).toBe(true);
  });

  it("remembers a bounded number of isolates, those heard last", () => {
    const evidence = book();
    evidence.add(reportOf("kept", 1), true);
    evidence.add(reportOf("dropped", 1), true);
    evidence.add(reportOf("kept", 2), true);
    for (let index = 0; index < MAX_REPORTERS - 1; index += 1) {
      evidence.add(reportOf(`isolate-${index}`, 1), true);
    }
    expect(evidence.snapshot().heard).toHaveLength(MAX_REPORTERS);
    expect(evidence.add(reportOf("kept", 2), true)).toBe(false);
    expect(evidence.add(reportOf("dropped", 1), true)).toBe(true);
  });
});
