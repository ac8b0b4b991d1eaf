/** `npm run rollback -- --env <environment>`: takes a rollout or a promoted release back. */
import { Argument, Option } from "commander";
import pc from "picocolors";
import {
  confirmTyped,
  createCommand,
  numberFlag,
  requireTerminalOrYes,
  runProgram,
  type CommonFlags,
} from "./lib/program.ts";
import type { ReleaseTarget, TrafficPhase } from "./lib/release-events.ts";
import { rollback } from "./lib/rollback.ts";

interface Flags extends CommonFlags {
  readonly phase?: TrafficPhase;
  readonly yes: boolean;
  readonly reason?: string;
}

const TARGETS = ["hub", "archiver", "canary"] as const satisfies readonly ReleaseTarget[];

const command = createCommand(
  "rollback",
  "Takes an open rollout to 0 %, or a promoted release to the last good version.",
)
  .addArgument(new Argument("[target]", "what to take back").choices([...TARGETS]).default("hub"))
  .addOption(
    new Option("--phase <phase>", "only if the rollout is in this phase").argParser((value) =>
      numberFlag(1, 3)(value),
    ),
  )
  .option("-y, --yes", "do not ask for confirmation", false)
  .option("--reason <text>", "why, for the rollout's history");

await runProgram<Flags>(
  command,
  ({ env, yes }) => requireTerminalOrYes(env, yes),
  async ({ context, result, tell }, flags, [given]) => {
    const target = TARGETS.find((known) => known === given) ?? "hub";
    const report = await rollback(context, {
      target,
      ...(flags.phase === undefined ? {} : { phase: flags.phase }),
      ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      confirm: async (what) => confirmTyped(flags.env, flags.yes, what),
    });
    tell(
      report.kind === "lane"
        ? `${pc.green("✔")} The rollout is closed: all traffic is on ${report.to}`
        : `${pc.green("✔")} ${target} is back on ${report.to}, from ${report.from}`,
    );
    result({ ...report });
  },
);
