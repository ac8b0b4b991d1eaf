/**
 * A stand-in for Pulumi's Node language host: it hands the engine's `Run` to
 * `@pulumi/pulumi/cmd/run`, the runner that the real host starts, with the
 * options of `Pulumi.yaml`. With it `pulumi up` runs the stack's own entry where
 * the host cannot be downloaded.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";

const require = createRequire(import.meta.url);

type RunRequest = InstanceType<typeof messages.RunRequest>;

export interface NodeHost {
  readonly port: number;
  close(): void;
}

export interface Project {
  readonly directory: string;
  /** `main` of `Pulumi.yaml`. */
  readonly entry: string;
  /** What the CLI was started with; the real host inherits it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the program of a project once. @returns the runner's exit code */
function runProgram(request: RunRequest, { directory, entry, env }: Project): Promise<number | null> {
  const config = Object.fromEntries(request.getConfigMap().entries());
  const options = {
    monitor: request.getMonitorAddress(),
    engine: request.getArgsList()[0] ?? "",
    project: request.getProject(),
    stack: request.getStack(),
    pwd: directory,
    parallel: String(request.getParallel()),
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  if (request.getDryrun()) flags.push("--dry-run");
  const child = spawn(process.execPath, [require.resolve("@pulumi/pulumi/cmd/run"), ...flags, entry], {
    cwd: directory,
    stdio: "ignore",
    env: {
      ...env,
      PULUMI_CONFIG: JSON.stringify(config),
      PULUMI_NODEJS_TYPESCRIPT: "false",
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject);
  child.on("close", resolve);
  return promise;
}

/** Serves the language host for one project on a port of its own. */
export async function startNodeHost(project: Project): Promise<NodeHost> {
  const server = new grpc.Server();
  server.addService(services.LanguageRuntimeService, {
    getRequiredPlugins(_call: unknown, answer: grpc.sendUnaryData<unknown>) {
      answer(null, new messages.GetRequiredPluginsResponse());
    },
    getPluginInfo(_call: unknown, answer: grpc.sendUnaryData<unknown>) {
      answer(null, new plugins.PluginInfo().setVersion("1.0.0"));
    },
    run(call: grpc.ServerUnaryCall<RunRequest, unknown>, answer: grpc.sendUnaryData<unknown>) {
      runProgram(call.request, project).then(
        (exitCode) => {
          const response = new messages.RunResponse();
          if (exitCode !== 0) response.setError(`the program ended with code ${exitCode}`);
          answer(null, response);
        },
        (error: Error) => answer(error, null),
      );
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, close: () => server.forceShutdown() };
}
