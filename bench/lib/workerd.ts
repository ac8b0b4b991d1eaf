/** Bundles a Worker as a release does, and runs it in workerd as production does: without the test pool. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { topology } from "../../infra/topology.ts";
import { Process, workerdChildren } from "./process.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const WRANGLER = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");

const { compatibilityDate, compatibilityFlags } = topology("local");

/** What every Worker of the blueprint runs under. */
export const COMPATIBILITY = { compatibilityDate, compatibilityFlags: [...compatibilityFlags] };

/**
 * Bundles with wrangler; nothing is sent.
 * @param main entry module, relative to the repository
 */
export async function bundle(main: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "strata-bench-"));
  try {
    const config = path.join(folder, "wrangler.json");
    await writeFile(
      config,
      JSON.stringify({
        name: "bench",
        main: path.join(ROOT, main),
        compatibility_date: compatibilityDate,
        compatibility_flags: compatibilityFlags,
      }),
    );
    const outdir = path.join(folder, "out");
    await promisify(execFile)(
      process.execPath,
      [WRANGLER, "deploy", "--dry-run", "--outdir", outdir, "--config", config],
      { cwd: ROOT, env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" } },
    );
    return await readFile(path.join(outdir, `${path.basename(main, ".ts")}.js`), "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Workers in a workerd of their own. */
export interface Workerd extends AsyncDisposable {
  /** Where the first Worker listens. */
  readonly url: URL;
  readonly miniflare: Miniflare;
  readonly process: Process;
}

type Workers = Extract<
  Parameters<typeof convertV4MiniflareOptions>[0],
  { readonly workers: unknown }
>["workers"];

/** What Workers say of their everyday work would drown the tables. */
function passOnComplaints({ level, message }: { readonly level: string; readonly message: string }): void {
  if (level === "warn" || level === "error") process.stderr.write(`${message}\n`);
}

/** Starts Workers, the first of which is reached over HTTP on loopback. */
export async function startWorkerd(workers: Workers): Promise<Workerd> {
  const before = await workerdChildren();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      workers,
      handleStructuredLogs: passOnComplaints,
    }),
  );
  const url = await miniflare.ready;
  const [pid] = (await workerdChildren()).filter((child) => !before.includes(child));
  return {
    url,
    miniflare,
    process: new Process(pid ?? null),
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}
