/** Lists that the hub hands out page by page. */
import { CliError, EXIT } from "../exit.ts";

/**
 * Every page, from the first.
 * @throws {CliError} when a page leads back to itself
 */
export async function* pages<T extends { readonly nextCursor: string | null }>(
  fetchPage: (cursor: string | null) => Promise<T>,
): AsyncGenerator<T> {
  let cursor: string | null = null;
  do {
    const page: T = await fetchPage(cursor);
    yield page;
    if (page.nextCursor !== null && page.nextCursor === cursor) {
      throw new CliError(EXIT.failed, "The hub answered the same cursor twice: there is no way on", {
        hints: [
          "Run it again; if that does not help, check that the hub and the archiver are of one release.",
        ],
      });
    }
    cursor = page.nextCursor;
  } while (cursor !== null);
}
