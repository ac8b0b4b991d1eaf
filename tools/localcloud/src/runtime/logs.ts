/** Turns what workers logged and threw into lines. */
import { inspect } from "node:util";
import { z } from "zod";

const traceSchema = z.array(
  z.object({
    logs: z.array(z.object({ level: z.string(), message: z.unknown().optional() })),
    exceptions: z.array(z.object({ name: z.string(), message: z.string(), stack: z.string().optional() })),
  }),
);

/** The lines of a tail's report, each with the script's name in front. */
export function logLines(scriptName: string, report: unknown): readonly string[] {
  const items = traceSchema.parse(report);
  return items.flatMap(({ logs, exceptions }) => [
    ...logs.map(({ level, message }) => {
      const parts = Array.isArray(message) ? message : [message];
      const text = oneLine(parts.map((part) => (typeof part === "string" ? part : inspect(part))).join(" "));
      return `${scriptName}: ${level === "log" || level === "info" ? "" : `${level}: `}${text}`;
    }),
    ...exceptions.map(({ name, message, stack }) => {
      const place = stack?.split("\n")[0]?.trim();
      const text = oneLine(`${name}: ${message}`);
      return `${scriptName}: uncaught ${text}${place === undefined || place === "" ? "" : ` ${place}`}`;
    }),
  ]);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}
