import type { WorkerConfig } from "../model.ts";
import { runsPerDay, shortestGapMinutes } from "../wrangler/index.ts";

/** How often the crons of the configs run a handler. */
export interface CronRate {
  /** `null` when no config gives crons that can be read. */
  readonly perDay: number | null;
  /** Between two runs of the fastest cron; `null` likewise. */
  readonly gapMinutes: number | null;
  /** How that was found, a sentence. */
  readonly basis: string;
}

/**
 * The rate of a `scheduled` handler. All crons of an environment run the same handler, so they
 * add up; environments are deployments of the same code, of which the busiest counts.
 * @param entry of the path, for example `src/index.ts#scheduled`
 */
export function cronRate(entry: string, configs: readonly WorkerConfig[]): CronRate {
  const file = entry.split("#", 1)[0] ?? "";
  const known = KNOWN.get(configs) ?? new Map<string, CronRate>();
  KNOWN.set(configs, known);
  const rate = known.get(file) ?? findRate(file, configs);
  known.set(file, rate);
  return rate;
}

/** Many calls ask for the few handlers of the same configs. */
const KNOWN = new WeakMap<readonly WorkerConfig[], Map<string, CronRate>>();

function findRate(file: string, configs: readonly WorkerConfig[]): CronRate {
  const deploying = configsOf(file, configs);
  const busiest = deploying.configs
    .map(rateOf)
    .filter((rate) => rate.crons.length > 0)
    .toSorted(busier)[0];
  if (busiest === undefined) {
    return { perDay: null, gapMinutes: null, basis: `No wrangler config gives crons for \`${file}\`.` };
  }
  const among =
    deploying.configs.length > 1 ? `, the busiest of ${deploying.configs.length} environments,` : "";
  const match = deploying.exact
    ? ""
    : ` No config has \`${file}\` as its entry; the nearest with crons was taken.`;
  const crons = busiest.crons.map((cron) => `\`${cron}\``).join(", ");
  return {
    perDay: busiest.perDay,
    gapMinutes: busiest.gapMinutes,
    basis: `${nameOf(busiest.config)}${among} runs ${crons}: ${rounded(busiest.perDay)} a day.${match}`,
  };
}

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const SMALL = new Intl.NumberFormat("en-US", { maximumFractionDigits: 4 });

/** A number for people: at most two decimals (four below 1), thousands apart. */
export function rounded(value: number): string {
  return (value < 1 ? SMALL : WHOLE).format(value);
}

interface Deploying {
  readonly configs: readonly WorkerConfig[];
  readonly exact: boolean;
}

/** The configs whose entry a file is; else those with crons in the nearest folder around it, for a build may come between. */
function configsOf(file: string, configs: readonly WorkerConfig[]): Deploying {
  const stem = withoutExtension(file);
  const exact = configs.filter(
    ({ main }) => main !== null && (main === file || withoutExtension(main) === stem),
  );
  if (exact.some(({ crons }) => crons.length > 0)) return { configs: exact, exact: true };
  const around = configs.filter((config) => config.crons.length > 0 && isAround(folderOf(config.file), file));
  const nearest = Math.max(...around.map((config) => folderOf(config.file).length));
  return { configs: around.filter((config) => folderOf(config.file).length === nearest), exact: false };
}

interface ConfigRate {
  readonly config: WorkerConfig;
  readonly crons: readonly string[];
  readonly perDay: number;
  readonly gapMinutes: number;
}

function rateOf(config: WorkerConfig): ConfigRate {
  const crons = [...new Set(config.crons)].filter((cron) => runsPerDay(cron) !== null);
  return {
    config,
    crons,
    perDay: crons.reduce((sum, cron) => sum + (runsPerDay(cron) ?? 0), 0),
    gapMinutes: Math.min(...crons.map((cron) => shortestGapMinutes(cron) ?? Infinity)),
  };
}

function busier(a: ConfigRate, b: ConfigRate): number {
  return b.perDay - a.perDay || (nameOf(a.config) < nameOf(b.config) ? -1 : 1);
}

function nameOf({ file, environment }: WorkerConfig): string {
  return environment === null ? `\`${file}\`` : `\`${file}\` (env.${environment})`;
}

function withoutExtension(path: string): string {
  return path.replace(/\.[cm]?[jt]sx?$/, "");
}

/** Of a deploy config, the folder of the Worker that it deploys. */
function folderOf(file: string): string {
  return file.replace(/(?:^|\/)(?:\.wrangler\/deploy\/.*|[^/]*)$/, "");
}

function isAround(folder: string, file: string): boolean {
  return folder === "" || file.startsWith(`${folder}/`);
}
