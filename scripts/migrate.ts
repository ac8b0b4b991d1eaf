/** `npm run migrate -- --env <environment>`: applies the D1 migrations that are pending. */
import { Option } from "commander";
import { D1_KEYS, type D1Key } from "../infra/topology.ts";
import { migrate } from "./lib/migrations.ts";
import {
  confirmTyped,
  createCommand,
  requireTerminalOrYes,
  runProgram,
  type CommonFlags,
} from "./lib/program.ts";

interface Flags extends CommonFlags {
  readonly database: D1Key | "all";
  readonly yes: boolean;
}

const command = createCommand("migrate", "Applies the D1 migrations that are pending.")
  .addOption(new Option("--database <database>", "which one").choices([...D1_KEYS, "all"]).default("all"))
  .option("-y, --yes", "do not ask for confirmation", false);

await runProgram<Flags>(
  command,
  ({ env, yes }) => requireTerminalOrYes(env, yes),
  async ({ context, result }, { env, database, yes }) => {
    const databases = database === "all" ? D1_KEYS : [database];
    await confirmTyped(env, yes, `migrate ${databases.join(" and ")}`);
    result({ environment: env, migrations: await migrate(context, databases) });
  },
);
