/** From a local cloud that has just been started to an environment that can be released to. */
import type { LocalCloud } from "@strata/localcloud";
import { byWorker, topology, type WorkerKey } from "../../infra/topology.ts";
import { openContext, secretNames, type ReleaseContext } from "./environment.ts";
import { localSecrets, writeLocalCloud } from "./local-state.ts";
import {
  localStackDirectory,
  provisionLocal,
  type ProvisionOptions,
  type ProvisionResult,
} from "./provision.ts";
import type { ReleaseEvent } from "./release/events.ts";

export interface LocalContextOptions extends Pick<ProvisionOptions, "engine" | "onProgress"> {
  readonly root: string;
  /** State directory of the run. */
  readonly directory: string;
  readonly onEvent?: (event: ReleaseEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Provisions the cloud from `Pulumi.local.yaml`, and leaves in the state
 * directory what the other scripts need to find it.
 * @throws {CliError} with what the engine or the API said
 */
export async function provisionLocalContext(
  cloud: LocalCloud,
  { root, directory, engine, onProgress, ...rest }: LocalContextOptions,
): Promise<{ readonly context: ReleaseContext; readonly provisioned: ProvisionResult }> {
  const { apiUrl, accountId, apiToken } = cloud;
  const provisioned = await provisionLocal({
    apiUrl,
    accountId,
    apiToken,
    stateDirectory: localStackDirectory(directory),
    ...(engine === undefined ? {} : { engine }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const wanted = topology("local", provisioned.outputs.settings);
  const url = (worker: WorkerKey): string => cloud.scriptUrl(wanted.workers[worker].name);
  const urls = byWorker(url);
  await writeLocalCloud(directory, { apiUrl, accountId, apiToken, urls, pid: process.pid });
  const context = await openContext({
    root,
    environment: "local",
    stateDirectory: directory,
    provisioned: provisioned.outputs,
    account: { apiUrl, accountId, apiToken },
    urls,
    secrets: await localSecrets(directory, secretNames(wanted)),
    ...rest,
  });
  return { context, provisioned };
}
