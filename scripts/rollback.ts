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
import { RELEASE_TARGETS, type RollbackReport } from "./lib/release/events.ts";
import { rollback } from "./lib/release/rollback.ts";

interface Flags extends CommonFlags {
  readonly phase?: number;
  readonly yes: boolean;
  readonly force: boolean;
  readonly reason?: string;
}

const MAX_PHASE = 100;

const command = createCommand(
  "rollback",
  "Takes an open rollout to 0 %, or a promoted release to the last good versions.",
)
  .addArgument(
    new Argument("[target]", "what to take back; all of it unless told").choices([...RELEASE_TARGETS]),
  )
  .addOption(
    new Option("--phase <phase>", "only if the rollout is in this phase").argParser((value) =>
      numberFlag(0, MAX_PHASE)(value),
    ),
  )
  .option("-y, --yes", "do not ask for confirmation", false)
  .option("--force", "also where the former version may not work on the present schema", false)
  .option("--reason <text>", "why, for the rollout's history");

function sentence({ kind, returned }: RollbackReport): string {
  const scripts = returned.map(({ worker, from, to }) => `${worker} is back on ${to}, from ${from}`);
  if (kind === "version") return scripts.join("; ");
  return ["The rollout is closed: all traffic is on the stable versions", ...scripts].join("; ");
}

await runProgram<Flags>(
  command,
  ({ env, yes }) => requireTerminalOrYes(env, yes),
  async ({ context, result, tell }, flags, [given]) => {
    const target = RELEASE_TARGETS.find((known) => known === given);
    const report = await rollback(context, {
      force: flags.force,
      ...(target === undefined ? {} : { target }),
      ...(flags.phase === undefined ? {} : { phase: flags.phase }),
      ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      confirm: async (what) => confirmTyped(flags.env, flags.yes, what),
    });
    tell(`${pc.green("✔")} ${sentence(report)}`);
    result({ ...report });
  },
);
