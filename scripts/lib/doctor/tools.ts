/** The programs on this machine: which versions a release needs, and which are there. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { findPulumiCli, PULUMI_VERSION } from "../pulumi-cli.ts";
import { check, type DoctorCheck } from "./check.ts";

const packageSchema = z.object({
  engines: z.object({ node: z.string() }),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
});

/** Whether `version` (`24.1.0`) is at least `wanted` (`>=22.13`). */
export function isAtLeast(version: string, wanted: string): boolean {
  const numbers = (text: string): readonly number[] =>
    (/\d+(?:\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number);
  const [have, need] = [numbers(version), numbers(wanted)];
  for (let index = 0; index < Math.max(have.length, need.length); index += 1) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

async function installedVersion(root: string, name: string): Promise<string | null> {
  try {
    const text = await readFile(path.join(root, "node_modules", name, "package.json"), "utf8");
    return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
  } catch {
    return null;
  }
}

/** Packages whose exact version the release scripts were measured with. */
const PINNED = ["wrangler", "@pulumi/pulumi", "@pulumi/cloudflare", "cloudflare"] as const;

async function pinned(root: string, name: string, wanted: string | undefined): Promise<DoctorCheck> {
  const found = await installedVersion(root, name);
  if (found === null) {
    return check("tools", name, "fail", `${name} is not installed`, "Run: npm ci");
  }
  return found === wanted
    ? check("tools", name, "ok", `${name} ${found}`)
    : check(
        "tools",
        name,
        "fail",
        `${name} ${found} is installed, ${wanted ?? "none"} is pinned`,
        "Run: npm ci",
      );
}

async function pulumiCli(): Promise<DoctorCheck> {
  const cli = await findPulumiCli();
  return cli === null
    ? check(
        "tools",
        "pulumi",
        "warn",
        `no Pulumi CLI ${PULUMI_VERSION}: provisioning needs it, releases do not`,
        "Run: npm run pulumi:build, or see docs/operations.md",
      )
    : check("tools", "pulumi", "ok", `Pulumi CLI ${PULUMI_VERSION}`);
}

/** @param nodeVersion of the process that runs this, `v24.1.0` */
export async function toolChecks(root: string, nodeVersion: string): Promise<readonly DoctorCheck[]> {
  const manifest = packageSchema.parse(JSON.parse(await readFile(path.join(root, "package.json"), "utf8")));
  const { engines, dependencies, devDependencies } = manifest;
  const node = isAtLeast(nodeVersion, engines.node)
    ? check("tools", "node", "ok", `Node ${nodeVersion}`)
    : check(
        "tools",
        "node",
        "fail",
        `Node ${nodeVersion}, ${engines.node} is needed`,
        "Run the npm scripts: they bring their own.",
      );
  return [
    node,
    ...(await Promise.all(
      PINNED.map((name) => pinned(root, name, dependencies[name] ?? devDependencies[name])),
    )),
    await pulumiCli(),
  ];
}
