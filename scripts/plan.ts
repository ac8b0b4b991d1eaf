/** `npm run plan -- --env <environment> [target]`: what a release would change, before anything is touched. */
import { Argument } from "commander";
import pc from "picocolors";
import { loadPlan } from "./lib/doctor/config.ts";
import { CliError, EXIT } from "./lib/exit.ts";
import { createCommand, runProgram, withEnvironment, type CommonFlags } from "./lib/program.ts";
import type { Change } from "./lib/preview/bindings.ts";
import { BUNDLE_LIMITS } from "./lib/preview/bundle-size.ts";
import { preview, type Preview, type WorkerPreview } from "./lib/preview/index.ts";
import { RELEASE_TARGETS } from "./lib/release/events.ts";

interface Flags extends CommonFlags {
  readonly allowContract: boolean;
}

const command = createCommand(
  "plan",
  "Shows what a release would change: infrastructure, migrations, bindings, sizes, quotas. Changes nothing.",
)
  .addArgument(new Argument("[target]", "of which release").choices([...RELEASE_TARGETS]).default("all"))
  .option("--allow-contract", "as a release with this flag: migrations may be destructive or locking", false);

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
const count = (value: number): string => Math.round(value).toLocaleString("en-US");

const SIGNS = { added: pc.green("+"), removed: pc.red("-"), changed: pc.yellow("~") } as const;

function infrastructureLines({ infrastructure: { drift, engine } }: Preview): readonly string[] {
  const differs = [
    ...drift,
    ...(engine.kind === "previewed"
      ? engine.changes.map((change) => `${engine.engine} would ${change}`)
      : []),
  ];
  return [
    ...(differs.length === 0
      ? ["  as the topology wants it"]
      : differs.map((line) => `  ${SIGNS.changed} ${line}`)),
    engine.kind === "previewed"
      ? pc.dim(`  ${engine.engine} was asked for its changes: ${engine.changes.length || "none"}`)
      : pc.dim(`  Pulumi was not asked for its changes: ${engine.why}`),
  ];
}

function migrationLines({ migrations }: Preview): readonly string[] {
  return Object.entries(migrations).flatMap(([database, { files, findings, refused }]) => [
    files.length === 0 && refused === null
      ? `  ${database}: nothing is pending`
      : `  ${SIGNS.added} ${database}: ${files.join(", ") || "not known"}`,
    ...findings.map(({ severity, rule, file, line, message, allowed }) =>
      pc.dim(
        `      ${severity} ${rule} ${file}:${line} ${message}${allowed === null ? "" : ` Accepted: ${allowed}`}`,
      ),
    ),
    ...(refused === null ? [] : refused.split("\n").map((line) => pc.red(`      ${line}`))),
  ]);
}

function changeLine(what: string, { name, change, from, to }: Change): string {
  const value = change === "changed" ? `${from ?? ""} → ${to ?? ""}` : (to ?? from ?? "");
  return `      ${SIGNS[change]} ${what}${name}: ${value}`;
}

function workerLines({ script, serves, split, ...changes }: WorkerPreview): readonly string[] {
  if (split) return [`  ${script}: ${pc.red("splits its traffic, so there is nothing to compare with")}`];
  const { bindings, vars, secrets, durableObjectMigrations } = changes;
  const lines = [
    ...bindings.map((change) => changeLine("", change)),
    ...vars.map((change) => changeLine("var ", change)),
    ...secrets.map((name) => `      ${SIGNS.added} secret ${name}`),
    ...durableObjectMigrations.map((tag) => `      ${SIGNS.added} Durable Object migration ${tag}`),
  ];
  const head = `  ${script} (serves ${serves ?? "no known release"})`;
  return lines.length === 0 ? [`${head}: the same`] : [head, ...lines];
}

function bundleLines({ bundles }: Preview): readonly string[] {
  return Object.entries(bundles).map(([worker, { tag, bytes, gzipBytes }]) => {
    const line = `  ${worker} ${tag}: ${kib(bytes)}, ${kib(gzipBytes)} compressed of ${kib(BUNDLE_LIMITS.free)} on the free plan, ${kib(BUNDLE_LIMITS.paid)} on the paid one`;
    return gzipBytes > BUNDLE_LIMITS.free ? pc.yellow(line) : line;
  });
}

function quotaLines({ quotas }: Preview): readonly string[] {
  return quotas.map(
    ({ name, idlePerDay, perWrite, perRead, free }) =>
      `  ${name}: ${count(idlePerDay)} a day idle, up to ${perWrite} a write and ${perRead} a read; ${count(free)} a day are free`,
  );
}

function stepLines({ steps, refused }: Preview): readonly string[] {
  if (steps === null) return ["  none: a release would be refused"];
  if (refused.length > 0) return [];
  return steps.length === 0
    ? ["  nothing to do: it serves already"]
    : steps.map((step, index) => `  ${index + 1}. ${step}`);
}

await runProgram<Flags>(
  command,
  () => {},
  async ({ context, result, tell }, { env, allowContract }, [given]) => {
    const target = RELEASE_TARGETS.find((known) => known === given) ?? "all";
    const found = await preview(context, target, { allowContract, plan: await loadPlan(env) });
    const part = (title: string, lines: readonly string[]): void => {
      tell(pc.bold(title));
      for (const line of lines) tell(withEnvironment(line, env));
    };
    part("Infrastructure", infrastructureLines(found));
    part("Migrations", migrationLines(found));
    part(
      "Bindings, variables, secrets, Durable Object classes",
      Object.values(found.workers).flatMap(workerLines),
    );
    part("Bundles", bundleLines(found));
    part("Quotas", quotaLines(found));
    part(`Steps of a release of ${target}`, stepLines(found));
    result({ ...found });
    const [why, ...hints] = found.refused;
    if (why !== undefined) {
      throw new CliError(EXIT.failed, `A release of ${target} would be refused: ${why}`, { hints });
    }
  },
);
