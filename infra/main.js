// Plain JavaScript, because a Node too old to load the TypeScript program must
// still be able to say so.
import { RunError } from "@pulumi/pulumi";

/** What `pulumi up` runs: the program in `index.ts`, if this Node can load it. */
export default async function main() {
  if (!process.features.typescript) {
    throw new RunError(
      `This program needs a Node that runs TypeScript (24, or 22.18 and later), and pulumi was started with Node ${process.versions.node}. ` +
        "Start it through npm, which puts the project's own Node first on the path: npx pulumi up --stack <stack>",
    );
  }
  const { default: run } = await import("./index.ts");
  return run();
}
