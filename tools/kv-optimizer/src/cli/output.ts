/** Brings a report to where the settings want it. */
import { appendFileSync } from "node:fs";
import path from "node:path";
import pc from "picocolors";
import { bestMoves } from "../audit.ts";
import type { CheckOutcome } from "../baseline/outcome.ts";
import type { Report } from "../model.ts";
import { jsonReport, markdownReport, render, type Rendering } from "../report/index.ts";
import type { OutputSettings, SourceSettings } from "./flags.ts";
import { UsageError, messageOf } from "./exit.ts";
import { prefixOf, rootOf } from "./source.ts";
import { writeAtomically } from "./write-file.ts";
import type { World } from "./world.ts";

/** What GitHub takes of one step's summary, in bytes. */
const MAX_SUMMARY_BYTES = 1_024 * 1_024;

function appendSummary(file: string, rendering: Rendering): void {
  const whole = markdownReport(rendering);
  const summary =
    Buffer.byteLength(whole) <= MAX_SUMMARY_BYTES ? whole : markdownReport({ ...rendering, all: false });
  try {
    appendFileSync(file, Buffer.from(summary).subarray(0, MAX_SUMMARY_BYTES));
  } catch (error) {
    throw new UsageError([`Cannot write the summary to GITHUB_STEP_SUMMARY: ${messageOf(error)}`]);
  }
}

/** Prints or writes a report, and its JSON beside it when that is wanted. @throws {UsageError} */
export function deliver(
  report: Report,
  outcome: CheckOutcome | null,
  settings: SourceSettings & OutputSettings,
  world: World,
): void {
  const { format, out, json, all } = settings;
  const rendering: Rendering = {
    report,
    moves: bestMoves(report),
    outcome,
    prefix: prefixOf(rootOf(settings, world), world.cwd),
    all,
    colors: pc.createColors(world.colored && out === null),
  };
  const content = render(format, rendering);
  if (out === null) world.print(content);
  else writeAtomically(path.resolve(world.cwd, out), content);
  if (json !== null) writeAtomically(path.resolve(world.cwd, json), jsonReport(report));
  const summary = world.env["GITHUB_STEP_SUMMARY"];
  if (format === "github" && summary !== undefined && summary !== "") appendSummary(summary, rendering);
}
