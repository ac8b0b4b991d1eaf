/** What a bench found, and how it is shown. */

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A number that the project has promised. */
export interface Goal {
  readonly promise: string;
  readonly found: string;
  readonly reached: boolean;
}

/** Tables, and what must be said of a run beside them, in the order in which they are shown. */
export interface Report {
  readonly sections: readonly { readonly title: string; readonly table: Table }[];
  readonly remarks: readonly string[];
  readonly goals: readonly Goal[];
}

/** A measurement that a reader can repeat by its name. */
export interface Bench {
  readonly name: string;
  /** What it compares, in one sentence. */
  readonly about: string;
  readonly run: () => Promise<Report>;
}

const isNumeric = (cell: string): boolean => /^[-−+±~<≈$×]?[\d.,]/.test(cell);

/** A Markdown table that is readable as plain text, too: numbers stand to the right. */
export function markdownTable({ columns, rows }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(3, column.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const right = columns.map((_, index) => index > 0 && rows.some((row) => isNumeric(row[index] ?? "")));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => pad(cell, widths[index] ?? 0, right[index] === true)).join(" | ")} |`;
  const rule = widths.map((width, index) =>
    right[index] === true ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(columns), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

const pad = (cell: string, width: number, right: boolean): string =>
  right ? cell.padStart(width) : cell.padEnd(width);

/** A report as Markdown, under the machine that it was made on. */
export function markdownReport(report: Report, machine: string): string {
  const sections = report.sections.map(({ title, table }) => `**${title}**\n\n${markdownTable(table)}`);
  const goals = report.goals.map(
    ({ promise, found, reached }) =>
      `- ${reached ? "reached" : "**NOT reached**"}: ${promise}; found ${found}`,
  );
  const remarks = report.remarks.map((remark) => `- ${remark}`);
  const lists = [goals, remarks].filter((list) => list.length > 0).map((list) => list.join("\n"));
  return [...sections, ...lists, `_${machine}_`].join("\n\n");
}
