/** `npm run status -- --env <environment>`: the rollout, what serves, and what is not migrated. */
import { createCommand, runProgram } from "./lib/program.ts";
import { statusText } from "./lib/status-text.ts";
import { status } from "./lib/status.ts";

const command = createCommand(
  "status",
  "Shows where the rollout stands, what each Worker serves, and what is not migrated yet.",
);

await runProgram(
  command,
  () => {},
  async ({ context, result, tell }) => {
    const report = await status(context);
    tell(statusText(report, context.clock.now()));
    result({ ...report });
  },
);
