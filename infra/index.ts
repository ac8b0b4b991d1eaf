import * as pulumi from "@pulumi/pulumi";
import { StackConfigError, parseStackConfig, type StackConfig } from "./config.ts";
import { provision, type Provisioned } from "./program.ts";
import { topology } from "./topology.ts";

function readConfig(): StackConfig {
  try {
    return parseStackConfig(
      pulumi.getStack(),
      pulumi.runtime.allConfig(),
      process.env["CLOUDFLARE_ACCOUNT_ID"],
    );
  } catch (error) {
    // A RunError is shown without a stack: the mistake is in the stack file, not in this program.
    throw error instanceof StackConfigError ? new pulumi.RunError(error.message) : error;
  }
}

/**
 * The program of `pulumi up --stack <environment>`.
 *
 * @throws {pulumi.RunError} when the stack is configured wrongly; nothing is provisioned then
 */
export default async function run(): Promise<Provisioned["outputs"]> {
  const { environment, accountId, settings } = readConfig();
  return provision(topology(environment, settings), accountId).outputs;
}
