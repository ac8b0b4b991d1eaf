/**
 * `npm run pulumi:build`: the pinned Pulumi CLI, built from Go modules into the
 * place where the npm package looks for it. For machines that reach a Go module
 * proxy, but not Pulumi's own download.
 */
import { Command } from "commander";
import { EXIT, messageOf } from "./lib/exit.ts";
import { buildPulumiCli, findPulumiCli, PULUMI_VERSION } from "./lib/pulumi-cli.ts";

const command = new Command("pulumi:build")
  .description(`Builds the Pulumi CLI ${PULUMI_VERSION} from Go modules, unless it is here already.`)
  .option("--force", "build it even if it is here already")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage))
  .parse();

const { force } = command.opts<{ force?: boolean }>();
const tell = (line: string): void => void process.stderr.write(`${line}\n`);

try {
  const here = force ? null : await findPulumiCli();
  if (here !== null) {
    tell(`Pulumi ${PULUMI_VERSION} is here already: ${here.executable}`);
  } else {
    await buildPulumiCli(tell);
  }
} catch (error) {
  tell(messageOf(error));
  process.exitCode = EXIT.failed;
}
