/** Lints what is about to be applied, before anything is: every fault of every file in one error. */
import { D1_KEYS, type D1Key } from "../../../infra/topology.ts";
import type { RollbackSafety } from "../../../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import { refuses, type LintFinding } from "./lint/finding.ts";
import { lintRun, type MigrationFile } from "./lint/lint.ts";
import { merged, rehearse } from "./lint/rehearse.ts";
import {
  appliedMigrations,
  migrationNames,
  readMigrations,
  type AppliedFile,
  type MigrationContext,
} from "./pending.ts";
import { contractReason } from "./report.ts";
import { counted, findingLines, noteLines } from "./text.ts";

export interface MigrateOptions {
  /** Applies what the linter calls destructive or locking. What D1 refuses stays refused. */
  readonly allowContract?: boolean;
  /** Refuses to migrate a database without a Time Travel bookmark. */
  readonly requireBookmark?: boolean;
}

export interface Pending {
  readonly database: D1Key;
  /** Names of its pending files, oldest first. */
  readonly files: readonly string[];
}

/** Linter and SQLite on pending files, in their order. */
export function examine(
  applied: readonly MigrationFile[],
  pending: readonly MigrationFile[],
): readonly LintFinding[] {
  const linted = lintRun(applied, pending);
  const refused = linted.filter(({ severity }) => severity === "refused-by-d1").map(({ file }) => file);
  // On an empty database everything is fresh, so that no comment is needed: that is no news.
  const told =
    applied.length > 0
      ? linted
      : linted.filter(({ rule, message }) => rule !== "allow-comment" || !message.includes("has no finding"));
  return merged(told, rehearse(applied, pending, new Set(refused)));
}

async function findingsOf(
  context: MigrationContext,
  { database, files }: Pending,
): Promise<readonly LintFinding[]> {
  if (files.length === 0) return [];
  const [here, applied] = await Promise.all([
    migrationNames(context, database),
    appliedMigrations(context, database),
  ]);
  const known = applied.map(({ name }) => name).filter((name) => here.includes(name));
  const [before, after] = await Promise.all([
    readMigrations(context, database, known),
    readMigrations(context, database, files),
  ]);
  return examine(before, after);
}

/** Names of the files that findings are in, without their folder. */
export function filesIn(findings: readonly LintFinding[]): readonly string[] {
  return [...new Set(findings.map(({ file }) => file.slice(file.lastIndexOf("/") + 1)))];
}

/** Whether a finding is a change that older code may not survive, accepted or not. */
export const isContract = ({ severity }: LintFinding): boolean => severity === "contract";

/** How a run goes on all the same. */
function override(refusing: readonly LintFinding[]): readonly string[] {
  if (refusing.some(({ severity }) => severity === "refused-by-d1")) return [];
  const cost = refusing.some(isContract) ? " (a rollout then freezes instead of rolling back)" : "";
  return [
    `As it is: --allow-contract${cost}. One finding: a comment on its statement, -- strata:allow <rule> <reason>`,
  ];
}

/**
 * @param after what people read behind the findings
 * @throws {CliError} failed, with every finding that refuses
 */
export function refuseFindings(
  findings: readonly LintFinding[],
  allowContract: boolean,
  after: readonly string[] = [],
): void {
  const refusing = findings.filter((finding) => refuses(finding, allowContract));
  if (refusing.length === 0) return;
  const message = `The linter refuses ${filesIn(refusing).join(", ")} (${counted(refusing)})`;
  throw new CliError(EXIT.failed, message, {
    hints: [...refusing.flatMap(findingLines), ...after, ...override(refusing)],
    data: { findings: refusing },
  });
}

/**
 * Lints the pending files of all databases of a run.
 * @returns all findings, those that stop nothing included
 * @throws {CliError} failed, with every finding that refuses
 */
export async function examinePending(
  context: MigrationContext,
  pending: readonly Pending[],
  { allowContract = false }: MigrateOptions = {},
): Promise<readonly LintFinding[]> {
  const findings = (await Promise.all(pending.map((one) => findingsOf(context, one)))).flat();
  refuseFindings(findings, allowContract, ["Nothing was applied, and no code was released."]);
  return findings;
}

/** The same, and tells as notes what was found and stops nothing. */
export async function lintPending(
  context: MigrationContext,
  pending: readonly Pending[],
  options: MigrateOptions = {},
): Promise<readonly LintFinding[]> {
  const findings = await examinePending(context, pending, options);
  for (const message of noteLines(findings)) context.onEvent({ type: "note", message });
  return findings;
}

/** Files of a database from a time on; its clock has whole seconds, so those of the second itself count. */
function since(applied: readonly AppliedFile[], time: number): readonly string[] {
  const second = Math.floor(time / 1000) * 1000;
  return applied.filter(({ at }) => at === null || at >= second).map(({ name }) => name);
}

/**
 * Whether a version works on the schema that serves now, whoever migrated to it, and in which run.
 * @param uploaded ISO 8601; when the version was uploaded
 */
export async function safetyOfApplied(context: MigrationContext, uploaded: string): Promise<RollbackSafety> {
  const contracted: { database: D1Key; files: readonly string[] }[] = [];
  let newerSchema = false;
  for (const database of D1_KEYS) {
    const applied = await appliedMigrations(context, database);
    const newer = since(applied, Date.parse(uploaded));
    if (newer.length === 0) continue;
    newerSchema = true;
    const here = await migrationNames(context, database);
    const unknown = newer.filter((name) => !here.includes(name));
    if (unknown.length > 0) {
      const why = `${unknown.join(", ")} of ${database} was applied after that version and is not in this working tree, so nobody knows whether the version works on it`;
      return { safe: false, why };
    }
    const older = applied
      .map(({ name }) => name)
      .filter((name) => here.includes(name) && !newer.includes(name));
    const [before, after] = await Promise.all([
      readMigrations(context, database, older),
      readMigrations(context, database, newer),
    ]);
    const files = filesIn(lintRun(before, after).filter(isContract));
    if (files.length > 0) contracted.push({ database, files });
  }
  if (contracted.length > 0) return { safe: false, why: contractReason(contracted) };
  return { safe: true, newerSchema };
}
