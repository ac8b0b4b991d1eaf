/** `npm run status -- --env <environment> [--watch]`: the rollout, what serves, and what is not migrated. */
import { Option } from "commander";
import { createCommand, durationFlag, runProgram, type CommonFlags } from "./lib/program.ts";
import { watchRollout } from "./lib/rollout/live.ts";
import { statusText } from "./lib/status-text.ts";
import { status } from "./lib/status.ts";

interface Flags extends CommonFlags {
  readonly watch: boolean;
  readonly interval: number;
}

const DEFAULT_INTERVAL_MS = 1_000;

const command = createCommand(
  "status",
  "Shows where the rollout stands, what each Worker serves, and what is not migrated yet.",
)
  .option("-w, --watch", "follow the rollout until it has ended; with --json one line for each change", false)
  .addOption(
    new Option("--interval <duration>", "with --watch: how often it is read")
      .argParser(durationFlag)
      .default(DEFAULT_INTERVAL_MS, `${DEFAULT_INTERVAL_MS / 1000}s`),
  );

await runProgram<Flags>(
  command,
  () => {},
  async ({ context, result, tell }, { watch, interval, json }) => {
    if (watch) {
      const state = await watchRollout(context, {
        intervalMs: interval,
        output: json ? null : process.stderr,
        onChange: json
          ? (changed) => process.stdout.write(`${JSON.stringify({ type: "rollout", state: changed })}\n`)
          : null,
      });
      result({ rollout: state });
      return;
    }
    const report = await status(context);
    tell(statusText(report, context.clock.now()));
    result({ ...report });
  },
);
