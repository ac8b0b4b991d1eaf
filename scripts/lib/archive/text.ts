/** How figures of the archive are written for people. */

const numbers = new Intl.NumberFormat("en-US");

/** `1,234,567` */
export function count(value: number): string {
  return numbers.format(value);
}

/** `1 file`, `1,234 files` */
export function files(value: number): string {
  return `${count(value)} ${value === 1 ? "file" : "files"}`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** `999 bytes`, `1.23 kB`, `45.60 MB`: decimal units, as R2 is billed. */
export function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  while (rest >= 1_000 && unit < UNITS.length - 1) {
    rest /= 1_000;
    unit += 1;
  }
  return `${unit === 0 ? count(rest) : rest.toFixed(2)} ${UNITS[unit] ?? ""}`;
}

/** Rows of cells as lines, each column as wide as its widest cell; the last is not padded. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  "),
  );
}

/** What came from the network, without characters that a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) =>
    character === "\n" || character === "\t"
      ? " "
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
