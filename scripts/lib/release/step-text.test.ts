import { expect, it } from "vitest";
import { definePlan } from "../../../worker/src/rollout/plan.ts";
import { PLAN } from "../test/released.ts";
import type { Step } from "./plan.ts";
import { describeStep } from "./step-text.ts";

const STEPS: readonly Step[] = [
  { kind: "migrate", database: "hub", files: ["0001_a.sql", "0002_b.sql"] },
  { kind: "migrate", database: "archive", files: ["0001_a.sql"] },
  { kind: "prove-stable" },
  { kind: "align", worker: "archiver", versionId: "v1" },
  { kind: "upload", worker: "hub-canary" },
  { kind: "open" },
  { kind: "deploy", worker: "hub-canary" },
  { kind: "check", worker: "hub-canary" },
  { kind: "smoke" },
  { kind: "begin" },
  { kind: "go-on" },
  ...[0, 1, 2, 3].map((phase): Step => ({ kind: "phase", phase, title: "" })),
  { kind: "promote", worker: "hub" },
  { kind: "upload", worker: "hub" },
  { kind: "full-deploy", worker: "hub" },
  { kind: "check", worker: "hub" },
  { kind: "triggers", worker: "archiver" },
  { kind: "complete" },
];

it("every step of a plan has an id of its own, by which its progress is told, and a title", () => {
  const told = STEPS.map((step) => describeStep(step, PLAN));
  expect(new Set(told.map(({ id }) => id)).size).toBe(STEPS.length);
  expect(told.every(({ title }) => title.length > 5)).toBe(true);
});

it("copies of reads say that nobody is answered by them", () => {
  const mirrored = definePlan({
    mirror: { read: 40 },
    phases: [{ shares: { read: 100, write: 100, background: 100 } }],
  });
  const { title } = describeStep({ kind: "phase", phase: 0, title: "" }, mirrored);
  expect(title).toContain("copies of 40 % of reads");
});

it("a phase says what it sends to the canary", () => {
  const { title } = describeStep({ kind: "phase", phase: 2, title: "" }, PLAN);
  expect(title).toBe("Phase 2: 100 % of reads, 10 % of writes, 10 % of background, until its gate passes");
});
