/** `explain`: everything of one finding. */
import pc from "picocolors";
import type { Finding } from "../model.ts";
import { explanation } from "../report/explanation.ts";
import { callText, placeText } from "../report/rendering.ts";
import { EXIT, UsageError, type ExitCode } from "./exit.ts";
import type { SourceSettings } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { auditFolder, prefixOf, rootOf } from "./source.ts";
import type { World } from "./world.ts";

/**
 * The finding that an id, or the beginning of one, names.
 * @throws {UsageError} when none or more than one does
 */
export function findingOf(id: string, findings: readonly Finding[]): Finding {
  const wanted = id.toLowerCase();
  const matches = findings.filter((finding) => finding.id.startsWith(wanted));
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return match;
  const line = (finding: Finding): string => `${finding.id}  ${placeText("", finding)}  ${callText(finding)}`;
  if (match !== undefined) throw new UsageError([`${id} is the beginning of several ids`], matches.map(line));
  const close = nearest(
    wanted,
    findings.map((finding) => finding.id),
  );
  const closest = findings.find((finding) => finding.id === close);
  throw new UsageError(
    [`No finding has the id ${id}`],
    closest === undefined ? ["There is no finding at all"] : [`The nearest is ${line(closest)}`],
  );
}

/** Explains one finding of a folder. @throws {UsageError} */
export function runExplain(id: string, settings: SourceSettings, world: World): ExitCode {
  const { findings } = auditFolder(settings, world);
  const prefix = prefixOf(rootOf(settings, world), world.cwd);
  world.print(explanation(findingOf(id, findings), prefix, pc.createColors(world.colored)));
  return EXIT.ok;
}
