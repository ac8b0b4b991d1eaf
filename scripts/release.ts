/** `npm run release:hub | release:archiver | release:all | release:canary -- --env <environment>`, and the controls of an open rollout. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Argument, Option, type Command } from "commander";
import pc from "picocolors";
import { definePlan } from "../worker/src/rollout/plan.ts";
import type { RolloutPlan } from "../worker/src/rollout/contract.ts";
import { CliError, EXIT } from "./lib/exit.ts";
import {
  confirmTyped,
  createCommand,
  numberFlag,
  requireTerminalOrYes,
  runProgram,
  withEnvironment,
  type CommonFlags,
  type Session,
} from "./lib/program.ts";
import {
  RELEASE_TARGETS,
  type ReleaseOptions,
  type ReleaseReport,
  type ReleaseTarget,
} from "./lib/release/events.ts";
import { release } from "./lib/release/release.ts";
import { control, CONTROLS, type Control } from "./lib/rollout/control.ts";
import { describeRollout } from "./lib/rollout/text.ts";
import { settingsWarnings } from "./lib/stack-settings.ts";

interface Flags extends CommonFlags {
  readonly phase?: number;
  readonly plan?: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly main?: string;
  readonly archiverMain?: string;
  readonly detach: boolean;
  readonly wait: boolean;
  readonly rotateSecrets: boolean;
  readonly allowContract: boolean;
  readonly requireBookmark: boolean;
  readonly force: boolean;
  readonly reason?: string;
}

/** Phases of a plan are few; what there is in the plan is checked against it. */
const MAX_PHASE = 100;

const command: Command = createCommand(
  "release",
  "Releases Workers by the phases of a plan, or steers a rollout that is open.",
)
  .addArgument(
    new Argument("<what>", "what to release, or what the open rollout should do").choices([
      ...RELEASE_TARGETS,
      ...CONTROLS,
      "abort",
    ]),
  )
  .addOption(
    new Option(
      "--phase <phase>",
      "release: go up to this phase and stop there; else: only if the rollout is in it (0: before the first)",
    ).argParser((value) => numberFlag(0, MAX_PHASE)(value)),
  )
  .option("--plan <file>", "another plan than scripts/rollout.plan.ts")
  .option("-y, --yes", "do not ask for confirmation", false)
  .option("--dry-run", "print the plan; change nothing", false)
  .option("--main <file>", "release another entry module (of the archiver for `archiver`, else of the hub)")
  .option("--archiver-main <file>", "with `all`: another entry module of the archiver")
  .option("--detach", "return once the release was checked: the hub goes on and judges by itself", false)
  .option("--wait", "wait through holds and approvals instead of ending there", false)
  .option("--allow-contract", "apply migrations that the linter calls destructive or locking", false)
  .option("--require-bookmark", "refuse to migrate without a Time Travel bookmark", false)
  .option("--rotate-secrets", "write all secrets again, not only the missing ones", false)
  .option("--reason <text>", "hold, promote, abort: why, for the rollout's history")
  .option("--force", "resume: out of `frozen` too; abort: also where it is not safe", false);

const isTarget = (what: string): what is ReleaseTarget => RELEASE_TARGETS.some((target) => target === what);
const isControl = (what: string): what is Control => CONTROLS.some((known) => known === what);

function refuseWrongFlags(flags: Flags, [what = ""]: readonly string[]): void {
  if (what === "canary" && flags.phase !== undefined) {
    throw new CliError(EXIT.usage, "The canary scripts get no traffic by this, so there is no --phase");
  }
  if (flags.phase === 0 && (isTarget(what) || what === "approve")) {
    throw new CliError(
      EXIT.usage,
      "--phase 0 is what is before the phases: a release goes up to phase 1 or a later one",
    );
  }
  if (flags.archiverMain !== undefined && what !== "all") {
    throw new CliError(EXIT.usage, "--archiver-main is for `all`; `archiver` takes --main");
  }
  if (flags.detach && flags.wait) {
    throw new CliError(EXIT.usage, "--detach and --wait exclude each other");
  }
  if (!flags.dryRun) requireTerminalOrYes(flags.env, flags.yes);
}

/** @throws {CliError} usage, when the file exports no valid plan */
async function planOf(file: string): Promise<RolloutPlan> {
  try {
    const module: unknown = await import(pathToFileURL(path.resolve(file)).href);
    if (typeof module !== "object" || module === null || !("default" in module)) {
      throw new Error("it has no default export");
    }
    // What the file exports is checked whole; a plan that is complete already stays as it is.
    return definePlan(module.default as Parameters<typeof definePlan>[0]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.usage, `${file} holds no valid plan: ${message}`, { cause: error });
  }
}

async function optionsOf(flags: Flags, target: ReleaseTarget): Promise<ReleaseOptions> {
  const { main, archiverMain } = flags;
  const entries = {
    ...(main === undefined ? {} : target === "archiver" ? { archiver: main } : { hub: main }),
    ...(archiverMain === undefined ? {} : { archiver: archiverMain }),
  };
  return {
    main: entries,
    dryRun: flags.dryRun,
    detach: flags.detach,
    wait: flags.wait,
    rotateSecrets: flags.rotateSecrets,
    allowContract: flags.allowContract,
    requireBookmark: flags.requireBookmark,
    confirm: async ({ tag, environment }) =>
      confirmTyped(environment, flags.yes, `release ${target} ${tag} to ${environment}`),
    ...(flags.phase === undefined ? {} : { phase: flags.phase }),
    ...(flags.plan === undefined ? {} : { plan: await planOf(flags.plan) }),
  };
}

function sentence({ target, tag, outcome, phase }: ReleaseReport): string {
  const what = target === "all" ? "hub and archiver" : target;
  switch (outcome) {
    case "released":
      return `${pc.green("✔")} ${what}: ${tag} serves`;
    case "unchanged":
      return `${pc.green("✔")} ${what}: ${tag} serves already`;
    case "begun":
      return `${pc.green("✔")} ${tag} has begun; the hub judges it by itself. Watch it: npm run status -- --watch. Promote it when it has passed: run the same release again`;
    case "phase":
      return `${pc.green("✔")} ${what}: ${tag} has passed phase ${phase ?? 0}; go on with a later --phase, or with none to promote it`;
    case "planned":
      return `${what} ${tag}: a dry run, nothing was changed`;
  }
}

async function steer({ context, result, tell }: Session, flags: Flags, what: Control): Promise<void> {
  const state = await control(context, what, {
    ...(flags.phase === undefined ? {} : { phase: flags.phase }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    force: flags.force,
    confirm: async (sentence) => confirmTyped(flags.env, flags.yes, sentence),
  });
  tell(`${pc.green("✔")} ${describeRollout(state)}`);
  result({ rollout: state });
}

async function abort({ context, result, tell }: Session, flags: Flags): Promise<void> {
  const { rollback } = await import("./lib/release/rollback.ts");
  const report = await rollback(context, {
    openOnly: true,
    force: flags.force,
    ...(flags.phase === undefined ? {} : { phase: flags.phase }),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    confirm: async (sentence) => confirmTyped(flags.env, flags.yes, sentence),
  });
  tell(`${pc.green("✔")} The rollout is closed: all traffic is on the stable versions`);
  result({ ...report });
}

await runProgram<Flags>(command, refuseWrongFlags, async (session, flags, [what = ""]) => {
  const { context, result, tell } = session;
  if (isControl(what)) return steer(session, flags, what);
  if (!isTarget(what)) return abort(session, flags);
  const options = await optionsOf(flags, what);
  for (const warning of await settingsWarnings(context)) tell(`${pc.yellow("!")} ${warning}`);
  const report = await release(context, what, options);
  tell(withEnvironment(sentence(report), flags.env));
  result({ releases: [report] });
});
