/** Whether the stack's state is what the program would make: asked of the engine itself where that is cheap. */
import path from "node:path";
import { access } from "node:fs/promises";
import type { ReleaseContext } from "../environment.ts";
import { CliError } from "../exit.ts";
import { check, type DoctorCheck } from "./check.ts";
import { provisionAgain } from "./mend.ts";

export type EngineAnswer =
  /** Its changes, one line each: `update r2-cold-lifecycle`. */
  | { readonly kind: "previewed"; readonly engine: string; readonly changes: readonly string[] }
  /** Nobody was asked, and why. */
  | { readonly kind: "not-asked"; readonly why: string };

/** Asks the engine what it would change, comparing program and state; changes nothing. */
export async function askEngine({ environment, account, directory }: ReleaseContext): Promise<EngineAnswer> {
  if (environment !== "local") {
    const why = `the outputs are read out of the state; what pulumi up would change, npx pulumi preview --refresh --stack ${environment} says`;
    return { kind: "not-asked", why };
  }
  const [{ localStackDirectory, previewLocal }, { findPulumiCli }] = await Promise.all([
    import("../provision.ts"),
    import("../pulumi-cli.ts"),
  ]);
  const stateDirectory = localStackDirectory(path.dirname(directory));
  const hasState = await access(path.join(stateDirectory, "backend")).then(
    () => true,
    () => false,
  );
  if (!hasState) {
    return { kind: "not-asked", why: "it was provisioned without Pulumi's engine, which keeps the state" };
  }
  if ((await findPulumiCli()) === null) return { kind: "not-asked", why: "no Pulumi CLI is here" };
  const changes: string[] = [];
  const { engine } = await previewLocal({
    ...account,
    stateDirectory,
    onProgress: (line) => changes.push(line),
  });
  return { kind: "previewed", engine, changes };
}

/** @param ask what asks the engine */
export async function stateCheck(
  context: ReleaseContext,
  ask: (context: ReleaseContext) => Promise<EngineAnswer> = askEngine,
): Promise<DoctorCheck> {
  let answer: EngineAnswer;
  try {
    answer = await ask(context);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return check(
      "resources",
      "state",
      "skipped",
      `the stack's state: ${error.message}`,
      error.hints[0] ?? null,
    );
  }
  if (answer.kind === "not-asked") {
    return check("resources", "state", "skipped", `the stack's state: ${answer.why}`);
  }
  return answer.changes.length === 0
    ? check("resources", "state", "ok", `the stack's state is what the program makes (${answer.engine})`)
    : check(
        "resources",
        "state",
        "warn",
        `the stack's state is not what the program makes: ${answer.changes.join(", ")}`,
        provisionAgain(context.environment),
      );
}
