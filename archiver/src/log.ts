/** Structured logs: one JSON object a line, which Workers Logs indexes by field. */

export type LogFields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

function write(level: "info" | "warn" | "error", event: string, fields: LogFields): void {
  // oxlint-disable-next-line no-console -- the one place that writes logs
  console[level](JSON.stringify({ level, event, ...fields }));
}

export const log = {
  info: (event: string, fields: LogFields = {}): void => write("info", event, fields),
  warn: (event: string, fields: LogFields = {}): void => write("warn", event, fields),
  error: (event: string, fields: LogFields = {}): void => write("error", event, fields),
};

/** An error as log fields: its name, message and causes, and no stack. */
export function errorFields(error: unknown): { readonly error: string; readonly message: string } {
  if (!(error instanceof Error)) return { error: "unknown", message: String(error) };
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return { error: error.name, message: `${error.message}${cause}` };
}
