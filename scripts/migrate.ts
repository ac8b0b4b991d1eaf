/** `npm run migrate -- --env <environment>`: lints, bookmarks and applies the D1 migrations that are pending. */
import { Option } from "commander";
import { D1_KEYS, type D1Key, type Environment } from "../infra/topology.ts";
import { CliError, EXIT } from "./lib/exit.ts";
import { migrate, restore, restoreCommand, rollbackSafety } from "./lib/migrations/index.ts";
import { lintFiles } from "./lib/migrations/lint-only.ts";
import {
  confirmShared,
  confirmTyped,
  createCommand,
  parseOrExit,
  requireTerminalForShared,
  requireTerminalOrYes,
  runOffline,
  runParsed,
  type CommonFlags,
  type Session,
} from "./lib/program.ts";

interface Flags extends Omit<CommonFlags, "env"> {
  readonly env?: Environment;
  readonly database: D1Key | "all";
  readonly allowContract: boolean;
  readonly requireBookmark: boolean;
  readonly lintOnly: boolean;
  readonly restore?: string;
  readonly yes: boolean;
}

const command = createCommand(
  "migrate",
  "Lints the D1 migrations that are pending, records a Time Travel bookmark, and applies them one by one.",
  false,
)
  .argument("[files...]", "with --lint-only: these migration files")
  .addOption(new Option("--database <database>", "which one").choices([...D1_KEYS, "all"]).default("all"))
  .option("--allow-contract", "apply what the linter calls destructive or locking", false)
  .option("--require-bookmark", "refuse to migrate without a Time Travel bookmark", false)
  .option("--lint-only", "lint all migrations, or the files given; needs no environment", false)
  .option("--restore <bookmark>", "take --database back to a bookmark, rows and schema")
  .option("-y, --yes", "do not ask for confirmation", false)
  .action(() => {
    const { env, database, lintOnly, restore: bookmark } = command.opts<Flags>();
    if (!lintOnly && env === undefined) {
      command.error("error: required option '-e, --env <environment>' not specified");
    }
    if (!lintOnly && command.args.length > 0) {
      command.error(`error: too many arguments: files are for --lint-only`);
    }
    if (bookmark !== undefined && (lintOnly || database === "all")) {
      command.error("error: --restore needs one --database, and goes without --lint-only");
    }
  });

async function apply(
  { context, result, tell }: Session,
  env: Environment,
  databases: readonly D1Key[],
  { allowContract, requireBookmark, yes }: Flags,
): Promise<void> {
  await confirmTyped(env, yes, `migrate ${databases.join(" and ")}`);
  const migrations = await migrate(context, databases, { allowContract, requireBookmark });
  const rollback = rollbackSafety(Object.values(migrations));
  if (!rollback.safe) tell(`${rollback.why}. A rollout freezes now instead of rolling back to it.`);
  result({ environment: env, migrations, rollback });
}

async function takeBack(
  { context, result, tell }: Session,
  env: Environment,
  database: D1Key,
  bookmark: string,
  yes: boolean,
): Promise<void> {
  const { name } = context.topology.d1[database];
  await confirmShared(env, yes, `take ${name} back to ${bookmark}, and lose every row written since`);
  const previous = await restore(context, database, bookmark);
  tell(`${name} stands where it stood at ${bookmark}.`);
  if (previous !== null) tell(`Undo: ${restoreCommand(context, database, { bookmark: previous })}`);
  result({ environment: env, database, bookmark, previousBookmark: previous });
}

await parseOrExit(command);
const flags = command.opts<Flags>();
const { env, database, json, lintOnly, restore: bookmark, yes } = flags;
const databases = database === "all" ? D1_KEYS : [database];
if (lintOnly) {
  await runOffline({ json }, async ({ result, tell }) => {
    const findings = await lintFiles(databases, command.args, flags.allowContract, tell);
    result({ findings });
  });
} else if (env !== undefined) {
  const before = (): void => {
    if (bookmark === undefined) requireTerminalOrYes(env, yes);
    else requireTerminalForShared(env, yes);
  };
  await runParsed({ env, json }, before, async (session) => {
    if (bookmark === undefined) return apply(session, env, databases, flags);
    if (database === "all") throw new CliError(EXIT.usage, "--restore needs one --database");
    return takeBack(session, env, database, bookmark, yes);
  });
}
