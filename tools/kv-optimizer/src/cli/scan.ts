/** `scan`: what there is. */
import path from "node:path";
import pc from "picocolors";
import type { Report } from "../model.ts";
import { differenceText } from "../report/difference.ts";
import { EXIT, messageOf, type ExitCode } from "./exit.ts";
import type { ScanSettings } from "./flags.ts";
import { deliver } from "./output.ts";
import { auditFolder, prefixOf, rootOf } from "./source.ts";
import { watchFolder } from "./watch.ts";
import type { World } from "./world.ts";

async function watch(first: Report, settings: ScanSettings, world: World): Promise<void> {
  const root = rootOf(settings, world);
  const written = [settings.out, settings.json].flatMap((file) =>
    file === null ? [] : [path.resolve(world.cwd, file)],
  );
  let before = first;
  await watchFolder({
    root,
    ignored: written,
    until: world.untilInterrupted(),
    onReady: () => world.tell("Watching; Ctrl-C ends."),
    onChange: () => {
      try {
        const after = auditFolder(settings, world);
        world.print(differenceText(before, after, prefixOf(root, world.cwd), pc.createColors(world.colored)));
        before = after;
      } catch (error) {
        world.tell(`This state cannot be scanned: ${messageOf(error)}`);
      }
    },
  });
}

/** Scans, and with `--watch` again after every change. @throws {UsageError} */
export async function runScan(settings: ScanSettings, world: World): Promise<ExitCode> {
  const report = auditFolder(settings, world);
  deliver(report, null, settings, world);
  if (settings.watch) await watch(report, settings, world);
  return EXIT.ok;
}
