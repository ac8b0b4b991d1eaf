/**
 * The import rules of the house (docs/architecture.md) as data, and the pure
 * check that holds a set of imports against them.
 */
import path from "node:path";

/** One import of one file; both paths are relative to the repository, with `/`. */
export interface Import {
  readonly from: string;
  /** A path in the repository, or a bare specifier as written. */
  readonly to: string;
}

export interface Violation extends Import {
  readonly rule: string;
}

interface Room {
  readonly folder: string;
  /** Folders or files outside itself that it may import. */
  readonly mayImport: readonly string[];
}

/** Longest folder first, so that the first match is the room a file is in. */
const ROOMS: readonly Room[] = [
  { folder: "tools/localcloud/", mayImport: [] },
  { folder: "tools/", mayImport: [] },
  { folder: "infra/", mayImport: [] },
  { folder: "bench/", mayImport: ["archiver/", "infra/topology.ts", "worker/src/rollout/"] },
  { folder: "worker/", mayImport: ["archiver/src/contract.ts"] },
  { folder: "archiver/", mayImport: [] },
  {
    folder: "scripts/",
    mayImport: [
      "infra/",
      "worker/src/rollout/contract.ts",
      // Pure: a plan is checked before anything is touched.
      "worker/src/rollout/plan.ts",
      "archiver/src/contract.ts",
      // Pure: the scripts read and write the same files as the archiver.
      "archiver/src/ocf/index.ts",
      "tools/localcloud/src/index.ts",
      "tools/localcloud/src/provider/index.ts",
    ],
  },
];

/** Tests that hold two rooms together may reach over. */
const TEST_FILE = /(\.test\.ts|\/test\/.*\.ts)$/;
const TEST_MAY_IMPORT = [
  "tools/localcloud/src/index.ts",
  "infra/topology.ts",
  "scripts/lib/render.ts",
  "scripts/lib/provision.ts",
  "scripts/lib/pulumi-cli.ts",
  // Pure: what stands in for a hub obeys as the hub does.
  "worker/src/rollout/machine/machine.ts",
];

/** `worker/src/<feature>/…` is reached from outside the feature only through these files. */
const FEATURE = /^(worker|archiver)\/src\/([^/]+)\/(.+)$/;
const FEATURE_DOORS = new Set(["index.ts", "contract.ts"]);

function room(file: string): Room | undefined {
  return ROOMS.find(({ folder }) => file.startsWith(folder));
}

function crossesRooms({ from, to }: Import): string | null {
  const home = room(from);
  const target = room(to);
  if (home === undefined || target === undefined || home === target) return null;
  if (home.mayImport.some((allowed) => to.startsWith(allowed))) return null;
  if (TEST_FILE.test(from) && TEST_MAY_IMPORT.includes(to)) return null;
  const allowed = home.mayImport.length === 0 ? "nothing outside itself" : home.mayImport.join(", ");
  return `${home.folder} may import ${allowed}`;
}

function crossesFeatures({ from, to }: Import): string | null {
  const target = FEATURE.exec(to);
  if (target === null) return null;
  const [, worker, feature, rest] = target;
  const home = FEATURE.exec(from);
  const sameWorker = from.startsWith(`${worker}/`);
  if (!sameWorker || (home !== null && home[2] === feature)) return null;
  if (TEST_FILE.test(from) || FEATURE_DOORS.has(rest ?? "")) return null;
  return `another feature is imported through its index.ts only (${worker}/src/${feature}/index.ts)`;
}

/** Every import that breaks a rule, in the order given. */
export function violations(imports: readonly Import[]): readonly Violation[] {
  return imports.flatMap((item) =>
    [crossesRooms(item), crossesFeatures(item)].flatMap((rule) => (rule === null ? [] : [{ ...item, rule }])),
  );
}

/** Resolves a relative specifier against the file that holds it; others stay as written. */
export function resolveImport(from: string, specifier: string): Import {
  if (!specifier.startsWith(".")) {
    return { from, to: specifier === "@strata/localcloud" ? "tools/localcloud/src/index.ts" : specifier };
  }
  return { from, to: path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier)) };
}
