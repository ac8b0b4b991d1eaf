/** What has changed since a baseline, by the identity of the calls. Pure. */
import type { Finding } from "../model.ts";
import { entriesOf, figuresOf, type Entry, type Figures } from "./entry.ts";

/** A put that is accepted with a TTL, or without one being known, and has none now. */
export interface Worsened {
  readonly finding: Finding;
  readonly before: Entry;
}

export interface Comparison {
  /** Calls that the baseline does not know. */
  readonly added: readonly Finding[];
  /** Entries whose call is not there any more. */
  readonly gone: readonly Entry[];
  readonly worsened: readonly Worsened[];
  readonly before: Figures;
  readonly after: Figures;
}

/** Compares the findings of a scan with what is accepted. Ignored findings count as absent. */
export function compare(baseline: readonly Entry[], findings: readonly Finding[]): Comparison {
  const known = new Map(baseline.map((entry) => [entry.id, entry]));
  const counted = findings.filter(({ ignored }) => ignored === null);
  const present = new Set(counted.map(({ id }) => id));
  return {
    added: counted.filter(({ id }) => !known.has(id)),
    gone: baseline.filter(({ id }) => !present.has(id)),
    worsened: counted.flatMap((finding) => {
      const before = known.get(finding.id);
      const lost = before !== undefined && finding.ttl?.verdict === "no" && before.ttl !== "no";
      return lost ? [{ finding, before }] : [];
    }),
    before: figuresOf(baseline),
    after: figuresOf(entriesOf(counted)),
  };
}
