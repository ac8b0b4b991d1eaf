/**
 * Provisioning without an engine, for machines that cannot have one: the
 * program runs under Pulumi's runtime mocks, and each resource that it declares
 * is created through the stand-in provider's own create functions. There is no
 * state, so there is no preview, no update and no drift.
 */
import * as pulumi from "@pulumi/pulumi";
import { provision } from "../../infra/program.ts";
import type { Topology } from "../../infra/topology.ts";
import { connect, describeFailure, kindOf } from "../../tools/localcloud/src/provider/index.ts";
import type { LocalAccount } from "./local-stack.ts";

/** Waits for an output; one that cannot be computed rejects. */
function settled<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => {
    pulumi.output(output).apply(resolve);
  });
}

/**
 * Creates everything that the topology names, once.
 *
 * @param onProgress receives one line a resource
 * @returns the program's outputs, as they came
 * @throws {Error} in the API's words when a create fails; nothing is created after it, and what was created before it stays
 */
export async function provisionOnce(
  topology: Topology,
  { apiUrl, accountId, apiToken }: LocalAccount,
  onProgress: (line: string) => void,
): Promise<{ outputs: unknown; created: number }> {
  const api = connect({ baseUrl: apiUrl, apiToken });
  let created = 0;
  let failure: Error | null = null;

  await pulumi.runtime.setMocks(
    {
      async newResource({ type, name, inputs }) {
        // The runtime ends the process when a registration fails, so a failure is kept for the end.
        const nothing = { id: "", state: inputs };
        if (failure !== null) {
          return nothing;
        }
        try {
          const { id, state } = await kindOf(type).create(api, inputs);
          created += 1;
          onProgress(`create ${name}`);
          return { id, state };
        } catch (error) {
          failure = describeFailure("create", name, error);
          return nothing;
        }
      },
      call: ({ token }) =>
        Promise.reject(new Error(`the program calls ${token}, which nothing here answers`)),
    },
    "strata",
    topology.environment,
    false,
  );
  const { outputs, resources } = provision(topology, accountId);
  await settled(pulumi.all(resources.map(({ urn }) => urn)));
  if (failure !== null) {
    throw failure;
  }
  return { outputs: await settled(pulumi.output(outputs)), created };
}
