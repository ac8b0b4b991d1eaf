/** Runs the program under Pulumi's runtime mocks and keeps what it registered. For tests. */
import * as pulumi from "@pulumi/pulumi";
import { provision } from "../program.ts";
import type { Topology } from "../topology.ts";

/** One resource as the engine would have received it. */
export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly ignoreChanges: readonly string[];
}

/** Inputs that answer as outputs, and an id that tells the resource. */
const mocks: pulumi.runtime.Mocks = {
  newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: inputs }),
  call: ({ token }) => {
    throw new Error(`the program calls ${token}`);
  },
};

function settled<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => {
    pulumi.output(output).apply(resolve);
  });
}

/** Everything that the program declares for a topology, and what it puts out. */
export async function recordProgram(
  topology: Topology,
  accountId: string,
): Promise<{ resources: readonly RecordedResource[]; outputs: unknown }> {
  const recorded: RecordedResource[] = [];
  await pulumi.runtime.setMocks(mocks, "strata", topology.environment, false);
  const monitor = pulumi.runtime.getMonitor();
  if (monitor === undefined) {
    throw new Error("the mocks did not start");
  }
  // The mocks see a resource's inputs only; its options pass here.
  const register = monitor.registerResource.bind(monitor);
  Object.assign(monitor, {
    registerResource(request: Parameters<typeof register>[0], ...rest: unknown[]) {
      recorded.push({
        type: request.getType(),
        name: request.getName(),
        inputs: request.getObject()?.toJavaScript() ?? {},
        protect: request.getProtect() === true,
        retainOnDelete: request.getRetainondelete() === true,
        ignoreChanges: request.getIgnorechangesList(),
      });
      return Reflect.apply(register, monitor, [request, ...rest]);
    },
  });

  const { outputs, resources } = provision(topology, accountId);
  await settled(pulumi.all(resources.map(({ urn }) => urn)));
  return { resources: recorded, outputs: await settled(pulumi.output(outputs)) };
}
