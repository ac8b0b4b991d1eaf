import * as log from "@pulumi/pulumi/log/index.js";
import { main } from "@pulumi/pulumi/provider/index.js";
import { resetOptions } from "@pulumi/pulumi/runtime/settings.js";
import { connect } from "./api.ts";
import { createProvider } from "./provider.ts";

/** Sends warnings to the engine that started this process, which shows them with the plan. */
function warnEngine(engineAddress: string | undefined): (message: string) => void {
  if (engineAddress === undefined) {
    return (message) => void process.stderr.write(`warning: ${message}\n`);
  }
  resetOptions("", "", 1, engineAddress, "", false, "");
  return (message) => void log.warn(message);
}

/**
 * Serves the provider to the engine until the engine ends the process.
 *
 * @param args what the engine passed: its own address
 * @throws {NotLoopbackError} when `CLOUDFLARE_BASE_URL` does not lead to this machine
 */
export async function serve(args: readonly string[]): Promise<void> {
  const api = connect({
    baseUrl: process.env["CLOUDFLARE_BASE_URL"],
    apiToken: process.env["CLOUDFLARE_API_TOKEN"] ?? "",
  });
  await main(createProvider(api, warnEngine(args.at(-1))), [...args]);
}
