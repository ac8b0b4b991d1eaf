/** The machine and the programs that a table was made with. */
import { readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

const MODULES = path.join(import.meta.dirname, "../../node_modules");

async function versionOf(name: string): Promise<string> {
  const { version } = JSON.parse(await readFile(path.join(MODULES, name, "package.json"), "utf8")) as {
    readonly version: string;
  };
  return `${name} ${version}`;
}

const GIB = 1024 ** 3;

/** For example `2 × EPYC …, 24 GiB, Linux x64; node 24.21.0, workerd …; 2026-11-22`. */
export async function describeMachine(now: Date): Promise<string> {
  const processors = os.cpus();
  const hardware = [
    `${processors.length} × ${processors[0]?.model.trim() ?? "unknown processor"}`,
    `${Math.round(os.totalmem() / GIB)} GiB`,
    `${os.type()} ${os.arch()}`,
  ];
  const programs = await Promise.all(["workerd", "miniflare", "avsc"].map(versionOf));
  return `${hardware.join(", ")}; ${[`node ${process.versions.node}`, ...programs].join(", ")}; ${now.toISOString().slice(0, 10)}`;
}
