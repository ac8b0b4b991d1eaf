/** One report in each format. */
import { githubCommands } from "./github.ts";
import { jsonOutcome, jsonReport } from "./json.ts";
import { markdownReport } from "./markdown.ts";
import type { Rendering } from "./rendering.ts";
import { sarifReport } from "./sarif.ts";
import { textReport } from "./text.ts";

export const FORMATS = ["text", "json", "sarif", "github", "markdown"] as const;
export type Format = (typeof FORMATS)[number];

const RENDERERS: Readonly<Record<Format, (rendering: Rendering) => string>> = {
  text: textReport,
  json: ({ report, outcome }) => (outcome === null ? jsonReport(report) : jsonOutcome(outcome, report)),
  sarif: sarifReport,
  github: githubCommands,
  markdown: markdownReport,
};

/** A report in a format: the same bytes for the same sources. */
export function render(format: Format, rendering: Rendering): string {
  return RENDERERS[format](rendering);
}

export { jsonReport, markdownReport };
export type { Rendering };
