/** Columns for terminals. */

/** Cells of one row; `paint` colours the padded cell. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = "  ";
const ELLIPSIS = "…";

function fitted(text: string, width: number): string {
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}${ELLIPSIS}`;
}

/**
 * Rows as lines, columns padded to their widest cell, the last one not padded.
 * @param maxWidths characters that a column may take; what is longer ends in `…`
 */
export function tableLines(
  rows: readonly (readonly Cell[])[],
  maxWidths: readonly number[] = [],
): readonly string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => {
    const widest = rows.reduce((width, row) => Math.max(width, row[column]?.text.length ?? 0), 0);
    return Math.min(widest, maxWidths[column] ?? Number.POSITIVE_INFINITY);
  });
  return rows.map((row) =>
    row
      .map(({ text, paint = String }, column) => {
        const padded = fitted(text, widths[column] ?? 0);
        return paint(column === row.length - 1 ? padded.trimEnd() : padded);
      })
      .join(GAP)
      .trimEnd(),
  );
}
