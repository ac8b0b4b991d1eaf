/** What the doctor says: one finding for each thing that a release depends on. */
import { EXIT, type ExitCode } from "../exit.ts";

/** `skipped`: it could not be looked at, and the detail says why. */
export type CheckStatus = "ok" | "warn" | "fail" | "skipped";

/** The parts of the doctor, in the order in which a release needs them. */
export const AREAS = ["tools", "config", "token", "resources", "release", "budget"] as const;
export type Area = (typeof AREAS)[number];

export interface DoctorCheck {
  /** Stable, for programs: `resources/d1-archive`. */
  readonly id: string;
  readonly area: Area;
  readonly status: CheckStatus;
  /** What was looked at, and what was found. */
  readonly detail: string;
  /** How to mend it; `null` where nothing is to be done. */
  readonly mend: string | null;
}

export function check(
  area: Area,
  name: string,
  status: CheckStatus,
  detail: string,
  mend: string | null = null,
): DoctorCheck {
  return { id: `${area}/${name}`, area, status, detail, mend };
}

export interface DoctorReport {
  readonly environment: string;
  readonly checks: readonly DoctorCheck[];
}

/** Whether a release may be begun: nothing failed. */
export function isHealthy({ checks }: DoctorReport): boolean {
  return checks.every(({ status }) => status !== "fail");
}

/** Checks of which a failure is a credential that is missing or refused. */
export const CREDENTIAL_CHECKS: ReadonlySet<string> = new Set([
  "config/api-token",
  "config/pulumi-login",
  "config/admin-token",
  "token/active",
  "release/admin-token",
]);

/** How the doctor ends: `credentials` where one is missing or refused, since much is then not looked at. */
export function exitCodeOf(report: DoctorReport): ExitCode {
  if (isHealthy(report)) return EXIT.ok;
  const refused = report.checks.some(({ id, status }) => status === "fail" && CREDENTIAL_CHECKS.has(id));
  return refused ? EXIT.credentials : EXIT.failed;
}
