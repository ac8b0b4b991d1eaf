import { CliError } from "../exit.ts";
import { releaseArchiver, releaseHub } from "../release.ts";
import { FakeCloud } from "./fake-cloud.ts";

/** A cloud with a first release of everything. */
export async function released(): Promise<{ cloud: FakeCloud; v1: string }> {
  const cloud = new FakeCloud();
  const context = await cloud.context();
  await releaseArchiver(context);
  const { tag } = await releaseHub(context);
  cloud.calls.length = 0;
  cloud.source = "export default { version: 2 }";
  return { cloud, v1: tag };
}

/** The error that a run ended with. @throws when it did not, or with another kind of error */
export async function failure(work: Promise<unknown>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CliError) return error;
  throw new Error(`expected a CliError, got ${String(error)}`);
}
