import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { defaultSettings, topology } from "../../infra/topology.ts";
import { EXIT } from "./exit.ts";
import { placeholderIds } from "./render.ts";
import { readLocalSettings, settingsWarnings } from "./stack-settings.ts";
import { temporaryDirectory } from "./test/temporary.ts";

const ids = placeholderIds();

async function stackFile(text: string): Promise<string> {
  const file = path.join(await temporaryDirectory(), "Pulumi.local.yaml");
  await writeFile(file, text);
  return file;
}

describe("the settings of the local stack", () => {
  it("are those of its file", async () => {
    expect(await readLocalSettings(ids.accountId)).toEqual(defaultSettings("local"));
  });

  it("are refused as wrong usage when they are wrong", async () => {
    await expect(readLocalSettings("not an account")).rejects.toMatchObject({ exitCode: EXIT.usage });
  });

  it.each([
    ["no YAML", "config: [", "Pulumi.local.yaml cannot be read"],
    ["no mapping", "config: 3\n", "Pulumi.local.yaml cannot be read"],
    ["wrong in a setting", "config:\n  strata:coldExpiryDays: soon\n", "coldExpiryDays"],
  ])("are refused with the file's fault when it is %s", async (_, text, said) => {
    await expect(readLocalSettings(ids.accountId, await stackFile(text))).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining(said),
    });
  });
});

describe("a release to the local cloud", () => {
  const provisioned = { environment: "local", topology: topology("local"), ids } as const;

  it("is warned of nothing while the file says what was provisioned", async () => {
    expect(await settingsWarnings(provisioned)).toEqual([]);
  });

  it("is warned that a change of the file takes a restart", async () => {
    const original = await readFile(path.resolve(import.meta.dirname, "../../Pulumi.local.yaml"), "utf8");
    const changed = original.replace(/coldExpiryDays: \d+/, "coldExpiryDays: 7");
    expect(await settingsWarnings(provisioned, await stackFile(changed))).toEqual([
      "Pulumi.local.yaml has changed since it was provisioned: restart npm run dev",
    ]);
  });

  it("is told the faults of a wrong file", async () => {
    const [warning] = await settingsWarnings(
      provisioned,
      await stackFile("config:\n  strata:coldExpiryDays: -1\n"),
    );
    expect(warning).toContain("coldExpiryDays");
  });
});

it("a release to another environment does not look at the local file", async () => {
  const staging = { environment: "staging", topology: topology("staging"), ids } as const;
  expect(await settingsWarnings(staging, await stackFile("config: ["))).toEqual([]);
});
