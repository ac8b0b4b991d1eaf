import { execFile } from "node:child_process";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { requireConsent, unprotectInstructions } from "./destroy.ts";
import { EXIT } from "./exit.ts";

const typing = (answer: string | null) => () => Promise.resolve(answer);

describe("destroying a stack", () => {
  test("needs no consent on the local cloud", async () => {
    await expect(requireConsent({ environment: "local", yes: false, ask: null })).resolves.toBeUndefined();
  });

  test("is refused for production, whatever is said", async () => {
    const request = { environment: "production", yes: true, ask: typing("production") } as const;
    await expect(requireConsent(request)).rejects.toMatchObject({ exitCode: EXIT.usage });
  });

  test("of staging needs --yes where nobody can be asked", async () => {
    const request = { environment: "staging", yes: false, ask: null } as const;
    await expect(requireConsent(request)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining("--yes"),
    });
  });

  test.each([null, "", "yes", "production"])("of staging is cancelled by the answer %j", async (answer) => {
    const request = { environment: "staging", yes: false, ask: typing(answer) } as const;
    await expect(requireConsent(request)).rejects.toMatchObject({ exitCode: EXIT.cancelled });
  });

  test("of staging goes on when its name is typed, or with --yes", async () => {
    await expect(
      requireConsent({ environment: "staging", yes: false, ask: typing("staging") }),
    ).resolves.toBeUndefined();
    await expect(requireConsent({ environment: "staging", yes: true, ask: null })).resolves.toBeUndefined();
  });

  test("tells how to let go of what is protected", () => {
    expect(unprotectInstructions("staging").join("\n")).toContain(
      "pulumi state unprotect --all --stack staging",
    );
  });
});

describe("the command", () => {
  const script = path.join(import.meta.dirname, "../destroy.ts");

  /** Runs it without a terminal, in a state directory where nothing was ever provisioned. */
  function exitCode(...args: readonly string[]): Promise<unknown> {
    const env = { ...process.env, STRATA_STATE_DIRECTORY: "/nonexistent" };
    return new Promise((resolve) => {
      execFile(process.execPath, [script, ...args], { env }, (error) => resolve(error?.code ?? EXIT.ok));
    });
  }

  test.each([
    ["production", EXIT.usage, ["--env", "production", "--yes"]],
    ["staging that nobody confirms", EXIT.usage, ["--env", "staging"]],
    ["an unknown environment", EXIT.usage, ["--env", "moon"]],
    ["an unknown flag", EXIT.usage, ["--env", "local", "--force"]],
    ["a local cloud that does not run", EXIT.failed, ["--env", "local"]],
  ])("ends on %s with code %i", async (_, code, args) => {
    expect(await exitCode(...args)).toBe(code);
  });
});
