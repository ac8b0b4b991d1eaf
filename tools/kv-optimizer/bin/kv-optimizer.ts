#!/usr/bin/env node
import { run } from "../src/cli/program.ts";
import { processWorld } from "../src/cli/world.ts";

// A reader that has seen enough (`| head`) is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), processWorld());
