/** A page of records as an HTTP answer, streamed as it comes. */
import type { Page, PageNotModified } from "../../../archiver/src/contract.ts";
import type { Representation } from "./negotiate.ts";

/**
 * A page whose every record is cold changes only when late records of its range
 * arrive, or when they are erased: a client sees either after this long at most.
 * It is private, as it was answered to a credential. A page with hot records, an
 * empty one and one that lacks records are asked for anew each time.
 */
const COLD_PAGE_CACHE = "private, max-age=60";

/** The query of a page, as far as its answer tells of it. */
export interface PageRequest {
  /** The whole address of the request. */
  readonly url: string;
  readonly datasetId: string;
  readonly table: string;
  readonly representation: Representation;
  /** The `Accept` header chose the representation. */
  readonly negotiated: boolean;
}

const isCold = ({ hot, cold, lostBlocks }: Page): boolean => hot === 0 && cold > 0 && lostBlocks === 0;

/**
 * JSON holds the page's costs beside its records, and they may differ where the
 * records do not: its tag promises equal meaning, not equal bytes (RFC 9110 section 8.8.1).
 */
function entityTag(etag: string, { format }: Representation): string {
  return format === "json" ? `W/${etag}` : etag;
}

/** Relative, so that it holds behind whatever name the client has used. */
function nextAddress(url: string, cursor: string): string {
  const { pathname, searchParams } = new URL(url);
  searchParams.set("cursor", cursor);
  return `${pathname}?${searchParams}`;
}

function fileName({ table, datasetId }: PageRequest): string {
  return `${table}-${datasetId}.avro`.replaceAll(/[^\w.-]/g, "_");
}

function headersOf(page: Page, request: PageRequest): Headers {
  const { representation, url } = request;
  const headers = new Headers({
    "content-type": representation.type,
    "cache-control": isCold(page) ? COLD_PAGE_CACHE : "no-store",
    "strata-source-hot": String(page.hot),
    "strata-source-cold": String(page.cold),
    "strata-source-range-reads": String(page.rangeReads),
    "strata-source-cold-bytes": String(page.coldBytes),
    "strata-source-lost-blocks": String(page.lostBlocks),
  });
  if (request.negotiated) headers.set("vary", "accept");
  if (page.etag !== null) headers.set("etag", entityTag(page.etag, representation));
  if (page.nextCursor !== null) {
    headers.set("strata-next-cursor", page.nextCursor);
    headers.set("link", `<${nextAddress(url, page.nextCursor)}>; rel="next"`);
  }
  if (representation.format === "ocf") {
    headers.set("content-disposition", `attachment; filename="${fileName(request)}"`);
  }
  return headers;
}

/** A stream with text before and after it. Backpressure, cancellation and errors pass through. */
function enclosed(
  before: string,
  body: ReadableStream<Uint8Array>,
  after: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => controller.enqueue(encoder.encode(before)),
      flush: (controller) => controller.enqueue(encoder.encode(after)),
    }),
  );
}

/** The members of a JSON answer beside its records. */
function jsonTail({ nextCursor, hot, cold, rangeReads, coldBytes, lostBlocks }: Page): string {
  const source = { hot, cold, range_reads: rangeReads, cold_bytes: coldBytes, lost_blocks: lostBlocks };
  return `,"next_cursor":${JSON.stringify(nextCursor)},"source":${JSON.stringify(source)}}`;
}

/**
 * The answer that carries a page. A page that breaks in its middle ends the
 * connection early, which no client takes for its end.
 */
export function pageResponse(page: Page, request: PageRequest): Response {
  const { format } = request.representation;
  const body = format === "json" ? enclosed('{"records":', page.body, jsonTail(page)) : page.body;
  return new Response(body, { headers: headersOf(page, request) });
}

/** The head of the same answer; the page's body is let go. */
export async function pageHead(page: Page, request: PageRequest): Promise<Response> {
  await page.body.cancel();
  return new Response(null, { headers: headersOf(page, request) });
}

/**
 * The client has the page already. Its tag tells what the page is made of, so
 * the `cache-control` that the client keeps it under is still the right one.
 */
export function notModifiedResponse(
  { etag }: PageNotModified,
  { representation, negotiated }: PageRequest,
): Response {
  const headers = new Headers({ etag: entityTag(etag, representation) });
  if (negotiated) headers.set("vary", "accept");
  return new Response(null, { status: 304, headers });
}
