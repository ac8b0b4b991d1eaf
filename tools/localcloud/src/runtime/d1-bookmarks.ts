/** The bookmarks of a database: their form, which one answers for a moment, and which ones are kept. */

/** A moment of a database that a copy is kept of. */
export interface Bookmark {
  /** When the copy was made, milliseconds UTC. */
  readonly at: number;
  /** Tells bookmarks of one millisecond apart. */
  readonly sequence: number;
  /** The first 16 bytes of the SHA-256 of the copy, 32 hex digits. */
  readonly digest: string;
}

/** How much is kept of one database. */
export const KEPT = {
  /** Copies. */
  count: 100,
  /** Bytes of all copies together. */
  bytes: 1024 ** 3,
  /** Milliseconds: as long as D1's Time Travel goes back. */
  ageMs: 30 * 24 * 3600 * 1000,
} as const;

const FORM = /^([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{32})$/;

/** In D1's form: four groups of hex digits, which sort as the moments do. */
export function formatBookmark({ at, sequence, digest }: Bookmark): string {
  const time = at.toString(16).padStart(16, "0");
  return [time.slice(0, 8), time.slice(8), sequence.toString(16).padStart(8, "0"), digest].join("-");
}

/** `null` when the text is no bookmark. */
export function parseBookmark(text: string): Bookmark | null {
  const [, high = "", low = "", sequence = "", digest = ""] = FORM.exec(text) ?? [];
  return digest === ""
    ? null
    : { at: Number.parseInt(high + low, 16), sequence: Number.parseInt(sequence, 16), digest };
}

/** The bookmark of a copy made now: after all others, also when the clock went back. */
export function nextBookmark(newest: Bookmark | undefined, now: number, digest: string): Bookmark {
  if (newest === undefined || now > newest.at) return { at: now, sequence: 0, digest };
  return { at: newest.at, sequence: newest.sequence + 1, digest };
}

/** The last of `bookmarks` (oldest first) made at `at` or before. */
export function lastBefore(bookmarks: readonly Bookmark[], at: number): Bookmark | undefined {
  return bookmarks.findLast((bookmark) => bookmark.at <= at);
}

/**
 * Which copies are too many, by `KEPT`. The newest stays, however large.
 * @param copies oldest first, sizes in bytes.
 */
export function tooMany<T extends { readonly bookmark: Bookmark; readonly size: number }>(
  copies: readonly T[],
  now: number,
  kept: { readonly count: number; readonly bytes: number; readonly ageMs: number } = KEPT,
): readonly T[] {
  let bytes = 0;
  return copies.toReversed().filter(({ bookmark, size }, index) => {
    bytes += size;
    return index > 0 && (index >= kept.count || bytes > kept.bytes || now - bookmark.at > kept.ageMs);
  });
}
