/** `npm run release:hub | release:canary | release:archiver -- --env <environment>`. */
import { Argument, Option } from "commander";
import pc from "picocolors";
import { CliError, EXIT } from "./lib/exit.ts";
import {
  confirmTyped,
  createCommand,
  durationFlag,
  numberFlag,
  requireTerminalOrYes,
  runProgram,
  type CommonFlags,
} from "./lib/program.ts";
import {
  DEFAULT_GATE,
  type HubReleaseOptions,
  type ReleaseReport,
  type TrafficPhase,
} from "./lib/release-events.ts";
import { settingsWarnings } from "./lib/stack-settings.ts";
import { releaseAll, releaseArchiver, releaseCanary, releaseHub } from "./lib/release.ts";

interface Flags extends CommonFlags {
  readonly phase?: TrafficPhase;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly main?: string;
  readonly gateInterval: number;
  readonly gateMaxWait: number;
  readonly minSample: number;
  readonly maxErrorShare?: number;
  readonly rotateSecrets: boolean;
}

const command = createCommand(
  "release",
  "Releases a Worker: migrations, upload, phases with gates, promotion.",
)
  .addArgument(new Argument("<target>", "what to release").choices(["hub", "canary", "archiver", "all"]))
  .addOption(
    new Option("--phase <phase>", "hub: go up to this phase and stop there").argParser((value) =>
      numberFlag(1, 3)(value),
    ),
  )
  .option("-y, --yes", "do not ask for confirmation", false)
  .option("--dry-run", "print the plan; change nothing", false)
  .option("--main <file>", "release another entry module")
  .addOption(
    new Option("--gate-interval <duration>", "how long a phase is watched at least")
      .argParser(durationFlag)
      .default(DEFAULT_GATE.intervalMs, `${DEFAULT_GATE.intervalMs / 1000}s`),
  )
  .addOption(
    new Option("--gate-max-wait <duration>", "how long a phase waits for its sample")
      .argParser(durationFlag)
      .default(DEFAULT_GATE.maxWaitMs, `${DEFAULT_GATE.maxWaitMs / 1000}s`),
  )
  .option(
    "--min-sample <requests>",
    "canary requests a phase needs",
    numberFlag(0, 1e9),
    DEFAULT_GATE.minSample,
  )
  .option(
    "--max-error-share <share>",
    "error share (0–1) above which the hub takes it back",
    numberFlag(0, 1, false),
  )
  .option("--rotate-secrets", "write all secrets again, not only the missing ones", false);

function refuseWrongFlags(flags: Flags, [target]: readonly string[]): void {
  if (flags.phase !== undefined && target !== "hub") {
    throw new CliError(EXIT.usage, `${target ?? ""} is released without phases: --phase is for the hub`);
  }
  if (!flags.dryRun) requireTerminalOrYes(flags.env, flags.yes);
}

function optionsOf(flags: Flags): HubReleaseOptions {
  const { minSample, maxErrorShare } = flags;
  return {
    dryRun: flags.dryRun,
    rotateSecrets: flags.rotateSecrets,
    gate: { intervalMs: flags.gateInterval, maxWaitMs: flags.gateMaxWait, minSample },
    judge: {
      ...(maxErrorShare === undefined ? {} : { maxErrorShare }),
      // A smaller sample lets the hub judge earlier; a greater one must not make it wait.
      ...(minSample > 0 && minSample < DEFAULT_GATE.minSample ? { minSample } : {}),
    },
    confirm: async ({ target, tag, environment }) =>
      confirmTyped(environment, flags.yes, `release ${target} ${tag} to ${environment}`),
    ...(flags.phase === undefined ? {} : { phase: flags.phase }),
    ...(flags.main === undefined ? {} : { main: flags.main }),
  };
}

function sentence({ target, tag, outcome, phase }: ReleaseReport): string {
  switch (outcome) {
    case "released":
      return `${pc.green("✔")} ${target} serves ${tag}`;
    case "unchanged":
      return `${pc.green("✔")} ${target} serves ${tag} already`;
    case "phase":
      return `${pc.green("✔")} ${target} ${tag} is in phase ${phase ?? 0}; go on with a later --phase, or with none to promote it`;
    case "planned":
      return `${target} ${tag}: a dry run, nothing was changed`;
  }
}

await runProgram<Flags>(command, refuseWrongFlags, async ({ context, result, tell }, flags, [target]) => {
  const options = optionsOf(flags);
  const release = async (): Promise<readonly ReleaseReport[]> => {
    switch (target) {
      case "archiver":
        return [await releaseArchiver(context, options)];
      case "canary":
        return [await releaseCanary(context, options)];
      case "all":
        return releaseAll(context, options);
      default:
        return [await releaseHub(context, options)];
    }
  };
  for (const warning of await settingsWarnings(context)) tell(`${pc.yellow("!")} ${warning}`);
  const reports = await release();
  for (const report of reports) tell(sentence(report));
  result({ releases: reports });
});
