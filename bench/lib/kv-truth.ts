/** Which KV calls a repository really has, and how well an audit has seen them. */

/** A call by its place; `line` is that of the method's name, from 1. */
export interface SeenCall {
  readonly file: string;
  readonly line: number;
  readonly operation: string;
  /** Whether a put gives a time to live; `null` of other calls, and when the audit does not say. */
  readonly ttl: boolean | null;
}

const MARK = /\/\*kv:(\w+)(?::(yes|no))?\*\//g;

/** Takes the marks out of a source text; each stood right before the name of a KV method. */
export function takeMarks(
  file: string,
  marked: string,
): { readonly text: string; readonly calls: readonly SeenCall[] } {
  const calls: SeenCall[] = [];
  const lines = marked.split("\n").map((content, index) =>
    content.replaceAll(MARK, (_, operation: string, ttl: string | undefined) => {
      calls.push({ file, line: index + 1, operation, ttl: ttl === undefined ? null : ttl === "yes" });
      return "";
    }),
  );
  return { text: lines.join("\n"), calls };
}

/** What an audit found, against the truth. */
export interface Score {
  readonly found: number;
  /** True calls that were found. */
  readonly hits: number;
  /** Found calls that are none. */
  readonly falseCalls: number;
  readonly falsePuts: number;
  /** True puts without a time to live that were found and said to have none. */
  readonly bareHits: number;
  /** Puts that were said to have no time to live and have one, or are none. */
  readonly falseBare: number;
}

const placeOf = ({ file, line, operation }: SeenCall): string => `${file}:${line} ${operation}`;

/** Compares by file, line and operation; of several calls on one line, each counts. */
export function scoreOf(truth: readonly SeenCall[], seen: readonly SeenCall[]): Score {
  const open = new Map<string, SeenCall[]>();
  for (const call of truth) open.set(placeOf(call), [...(open.get(placeOf(call)) ?? []), call]);
  const pairs = seen.map((call) => ({ call, real: open.get(placeOf(call))?.shift() ?? null }));
  const count = (of: (pair: (typeof pairs)[number]) => boolean): number => pairs.filter(of).length;
  return {
    found: seen.length,
    hits: count(({ real }) => real !== null),
    falseCalls: count(({ real }) => real === null),
    falsePuts: count(({ call, real }) => real === null && call.operation === "put"),
    bareHits: count(({ call, real }) => call.ttl === false && real?.ttl === false),
    falseBare: count(({ call, real }) => call.ttl === false && real?.ttl !== false),
  };
}
