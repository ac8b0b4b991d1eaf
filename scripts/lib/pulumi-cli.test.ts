import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  buildPulumiCli,
  findPulumiCli,
  isAtLeast,
  MINIMUM_GO,
  pinnedRoot,
  PULUMI_VERSION,
} from "./pulumi-cli.ts";

const root = path.join(import.meta.dirname, "../..");
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "strata-cli-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Puts a program of one line of shell at a place. */
async function install(file: string, script: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

const answering = (version: string): string => `echo v${version}`;

describe("the pinned version", () => {
  test("is one for the CLI, the SDK, the npm wrapper and the Go module", async () => {
    const manifest = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
    const goModule = await readFile(path.join(root, "tools/pulumi-cli/go.mod"), "utf8");
    expect(manifest.dependencies["@pulumi/pulumi"]).toBe(PULUMI_VERSION);
    expect(manifest.devDependencies.pulumi).toBe(PULUMI_VERSION);
    expect(goModule).toContain(`github.com/pulumi/pulumi/pkg/v3 v${PULUMI_VERSION}`);
    expect(goModule).toContain(`github.com/pulumi/pulumi/sdk/v3 v${PULUMI_VERSION}`);
    expect(goModule).toContain(`\ngo ${MINIMUM_GO}\n`);
  });
});

describe("finding the CLI", () => {
  test("looks first where the npm wrapper and the build put it", async () => {
    const env = { PULUMI_HOME: directory, PATH: process.env["PATH"] };
    const executable = path.join(pinnedRoot(env), "bin", "pulumi");
    await install(executable, answering(PULUMI_VERSION));
    expect(await findPulumiCli(env)).toEqual({ root: pinnedRoot(env), executable });
  });

  test("takes one on PATH in exactly the pinned version", async () => {
    const executable = path.join(directory, "opt/bin/pulumi");
    await install(executable, answering(PULUMI_VERSION));
    const env = {
      PULUMI_HOME: path.join(directory, "home"),
      PATH: `${path.dirname(executable)}:/usr/bin:/bin`,
    };
    expect(await findPulumiCli(env)).toEqual({ root: path.join(directory, "opt"), executable });
  });

  test("passes over another version, because engine and SDK would not understand each other", async () => {
    await install(path.join(directory, "opt/bin/pulumi"), answering("3.270.0"));
    const env = { PULUMI_HOME: path.join(directory, "home"), PATH: `${directory}/opt/bin:/usr/bin:/bin` };
    expect(await findPulumiCli(env)).toBeNull();
  });

  test("passes over one that cannot run", async () => {
    await install(path.join(directory, "opt/bin/pulumi"), "exit 1");
    const env = { PULUMI_HOME: path.join(directory, "home"), PATH: `${directory}/opt/bin:/usr/bin:/bin` };
    expect(await findPulumiCli(env)).toBeNull();
  });
});

describe("building the CLI", () => {
  const goOn = (bin: string) => ({ PULUMI_HOME: path.join(directory, "home"), PATH: `${bin}:/usr/bin:/bin` });
  const go = (): string => path.join(directory, "go/bin/go");

  test("says that Go is missing and which version it takes", async () => {
    const env = { PULUMI_HOME: directory, PATH: path.join(directory, "empty") };
    await expect(buildPulumiCli(() => {}, env)).rejects.toThrow(
      `needs Go ${MINIMUM_GO} or later, and "go" cannot be run`,
    );
  });

  test("says that Go is too old", async () => {
    await install(go(), "echo go1.22.3");
    await expect(buildPulumiCli(() => {}, goOn(path.dirname(go())))).rejects.toThrow(
      "this machine has 1.22.3",
    );
  });

  test("reports the step that failed in Go's own words, and leaves nothing behind", async () => {
    await install(
      go(),
      'case "$1" in env) echo go1.26.8;; build) echo "dial tcp: no route" >&2; exit 1;; esac',
    );
    const env = goOn(path.dirname(go()));
    await expect(buildPulumiCli(() => {}, env)).rejects.toThrow(
      /Building the Pulumi CLI failed.*\n {2}dial tcp: no route/,
    );
    expect(await readdir(path.join(pinnedRoot(env), "bin"))).toEqual([]);
  });

  test("puts the binary in its place whole, and tells how far it is", async () => {
    await install(
      go(),
      `case "$1" in
        env) echo go1.26.8;;
        build) for word; do [ "$last" = -o ] && out="$word"; last="$word"; done
          printf '#!/bin/sh\\n${answering(PULUMI_VERSION)}\\n' > "$out"; chmod +x "$out";;
      esac`,
    );
    const env = goOn(path.dirname(go()));
    const lines: string[] = [];
    const built = await buildPulumiCli((line) => lines.push(line), env);

    expect(await findPulumiCli(env)).toEqual(built);
    expect(await readdir(path.join(pinnedRoot(env), "bin"))).toEqual(["pulumi"]);
    expect(lines.at(-1)).toBe(`built ${built.executable}`);
  });

  test("refuses a binary that is of another version", async () => {
    await install(
      go(),
      `case "$1" in
        env) echo go1.26.8;;
        build) for word; do [ "$last" = -o ] && out="$word"; last="$word"; done
          printf '#!/bin/sh\\n${answering("3.1.0")}\\n' > "$out"; chmod +x "$out";;
      esac`,
    );
    await expect(buildPulumiCli(() => {}, goOn(path.dirname(go())))).rejects.toThrow(/does not answer/);
  });
});

describe("comparing versions", () => {
  test.each([
    ["1.25.11", "1.25.11", true],
    ["1.26", "1.25.11", true],
    ["1.25.9", "1.25.11", false],
    ["2.0.0", "1.25.11", true],
    ["1.25", "1.25.11", false],
  ])("%s is at least %s: %s", (a, b, expected) => {
    expect(isAtLeast(a, b)).toBe(expected);
  });
});
