/**
 * Answers by their kind, so that a canary is seen that answers in time, but with something
 * else. A kind says what was asked for, too: clients keep their lane, and one that asks for
 * something else than the others is no difference between versions.
 */

const MEDIA_TYPE = /^[\w!#$&^.+-]{1,64}\/[\w!#$&^.+-]{1,64}$/;

/** Between what was asked for and what was answered. */
export const ANSWERED = " → ";
/** The media type of an answer without one. */
export const NO_TYPE = "none";
/** Stands for media types that are none, and for wishes that are not told apart. */
export const OTHER_TYPE = "other";
/** What was asked for where kinds are not told apart any more. */
export const MIXED = "mixed";

/** Wishes that are told apart, by media type or by the query's `format`; few, since clients choose them. */
const ASKED: ReadonlyMap<string, string> = new Map([
  ["", "any"],
  ["*/*", "any"],
  ["*", "any"],
  ["json", "json"],
  ["application/json", "json"],
  ["ndjson", "ndjson"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["ocf", "ocf"],
  ["application/avro", "ocf"],
  ["avro/binary", "ocf"],
  ["text/html", "html"],
]);

/** Status class, for example `2xx`. */
export function statusClass(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}

/** The first media type of a header, without its parameters. */
function essence(header: string): string {
  const [first = ""] = header.split(/[;,]/, 1);
  return first.trim().toLowerCase();
}

function mediaType(headers: Headers): string {
  const type = essence(headers.get("content-type") ?? NO_TYPE);
  return type === NO_TYPE || MEDIA_TYPE.test(type) ? type : OTHER_TYPE;
}

/** What a request wishes for: a format, and whether only what has changed. */
function asked({ url, headers }: Request): string {
  const wish = new URL(url).searchParams.get("format") ?? essence(headers.get("accept") ?? "");
  const condition = headers.has("if-none-match") ? " if-none-match" : "";
  return `${ASKED.get(wish) ?? OTHER_TYPE}${condition}`;
}

/** The kind of an answer as `Series.answers` names it, for example `any → 2xx application/json`. */
export function answerKind(request: Request, { status, headers }: Response): string {
  return `${asked(request)}${ANSWERED}${statusClass(status)} ${mediaType(headers)}`;
}

/** The kind of an answer that is not told apart from others: its status class is kept. */
export function mixedKind(kind: string): string {
  const [status = ""] = (kind.split(ANSWERED)[1] ?? kind).split(" ");
  return `${MIXED}${ANSWERED}${status} ${OTHER_TYPE}`;
}
