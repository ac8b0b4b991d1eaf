/** `npm run doctor -- --env <environment>`: what is missing or wrong, before anything is touched. */
import pc from "picocolors";
import { openInventory } from "./lib/cloudflare-inventory.ts";
import { loadPlan } from "./lib/doctor/config.ts";
import { AREAS, examine, exitCodeOf, isHealthy, TOKEN_SCOPES } from "./lib/doctor/index.ts";
import type { Area, DoctorCheck } from "./lib/doctor/index.ts";
import { openEnvironment } from "./lib/environment.ts";
import { CliError } from "./lib/exit.ts";
import { createCommand, parseOrExit, repositoryRoot, runOffline, type CommonFlags } from "./lib/program.ts";

interface Flags extends CommonFlags {
  readonly scopes: boolean;
  readonly verbose: boolean;
}

const command = createCommand(
  "doctor",
  "Looks at everything that a release depends on, and says what is missing. Changes nothing.",
)
  .option("--scopes", "print the permissions that the API token needs, step by step", false)
  .option("-v, --verbose", "print what is well, too", false);

const TITLES: Readonly<Record<Area, string>> = {
  tools: "Tools",
  config: "Configuration",
  token: "API token",
  resources: "Resources: topology, stack and account",
  release: "Release",
  budget: "Free allowances, idle",
};

const MARKS: Readonly<Record<DoctorCheck["status"], string>> = {
  ok: pc.green("✔"),
  warn: pc.yellow("!"),
  fail: pc.red("✖"),
  skipped: pc.dim("○"),
};

function areaLines(area: Area, checks: readonly DoctorCheck[], verbose: boolean): readonly string[] {
  const own = checks.filter((found) => found.area === area);
  if (own.length === 0) return [];
  const well = own.filter(({ status }) => status === "ok").length;
  const shown = verbose ? own : own.filter(({ status }) => status !== "ok");
  return [
    pc.bold(`${TITLES[area]}: ${well} of ${own.length} well`),
    ...shown.flatMap(({ status, detail, mend }) => [
      `  ${MARKS[status]} ${detail}`,
      ...(mend === null ? [] : mend.split("\n").map((line) => pc.dim(`      ${line}`))),
    ]),
  ];
}

await parseOrExit(command);
const flags = command.opts<Flags>();
await runOffline(flags, async ({ result, tell }) => {
  if (flags.scopes) {
    for (const { step, groups } of TOKEN_SCOPES) tell(`${pc.bold(step)}\n  ${groups.join("\n  ")}`);
    result({ scopes: TOKEN_SCOPES });
    return;
  }
  const report = await examine({
    root: repositoryRoot,
    environment: flags.env,
    env: process.env,
    open: () => openEnvironment({ root: repositoryRoot, environment: flags.env, env: process.env }),
    outputs: async () => (await import("./lib/provision.ts")).readOutputs(flags.env),
    inventory: openInventory,
    plan: () => loadPlan(flags.env),
  });
  for (const area of AREAS) for (const line of areaLines(area, report.checks, flags.verbose)) tell(line);
  result({ ...report, healthy: isHealthy(report) });
  if (isHealthy(report)) return;
  const failed = report.checks.filter(({ status }) => status === "fail");
  throw new CliError(exitCodeOf(report), `${failed.length} of ${report.checks.length} checks failed`, {
    data: { failed: failed.map(({ id }) => id) },
  });
});
