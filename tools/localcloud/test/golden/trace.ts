import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { z } from "zod";

const callSchema = z.object({
  method: z.string(),
  /** With the query; `{name}` stands for something that an earlier answer gave. */
  path: z.string(),
  /** The content type that wrangler sends. */
  type: z.string().optional(),
  /** The body: JSON, plain text, or a Worker's form with that metadata. */
  body: z.unknown().optional(),
  text: z.string().optional(),
  form: z.record(z.string(), z.unknown()).optional(),
  status: z.number().default(200),
  /** The code of the error that wrangler expects. */
  code: z.number().optional(),
  /** The fields of the result that wrangler reads; absent: the answer is no envelope. */
  result: z.unknown().optional(),
  /** The fields of `result_info` by which wrangler pages. */
  info: z.unknown().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  /** What later calls take from the result, as name → path of the field. */
  capture: z.record(z.string(), z.string()).default({}),
  /** Why the local cloud refuses a call that Cloudflare answers. */
  refused: z.string().optional(),
});

const stepSchema = z.object({
  command: z.string(),
  /** What has to happen before, and is no part of the command. */
  setup: z.array(callSchema).default([]),
  calls: z.array(z.union([callSchema, z.object({ use: z.string() })])),
});

const traceSchema = z.object({
  wrangler: z.string(),
  shapes: z.record(z.string(), z.record(z.string(), z.unknown())),
  groups: z.record(z.string(), z.array(callSchema)),
  steps: z.array(stepSchema),
});

/** One call of wrangler's, with what it expects of the answer. */
export type TraceCall = z.infer<typeof callSchema>;

/** One command of wrangler's, as the calls that it makes. */
export interface TraceStep {
  readonly command: string;
  readonly setup: readonly TraceCall[];
  readonly calls: readonly TraceCall[];
}

export interface Trace {
  /** wrangler's version. */
  readonly wrangler: string;
  readonly steps: readonly TraceStep[];
}

/** What earlier answers gave, by name. */
export type Captured = Map<string, string>;

const SHAPE = "$is";

/** `value` with every `{"$is": name, …}` replaced by the shape of that name, the other fields laid over it. */
function expand(value: unknown, shapes: Readonly<Record<string, Record<string, unknown>>>): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => expand(item, shapes));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const fields = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, shapes)]));
  const { [SHAPE]: name, ...rest } = fields;
  if (typeof name !== "string") {
    return fields;
  }
  const shape = shapes[name];
  if (shape === undefined) {
    throw new Error(`the trace has no shape ${name}`);
  }
  return { ...shape, ...rest };
}

/** Reads a trace file. @throws when it is malformed, or names a shape or a group that it has not. */
export function readTrace(file: URL): Trace {
  const { wrangler, shapes, groups, steps } = traceSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const whole = (call: TraceCall): TraceCall => callSchema.parse(expand(call, shapes));
  return {
    wrangler,
    steps: steps.map(({ command, setup, calls }) => ({
      command,
      setup: setup.map(whole),
      calls: calls.flatMap((call) => {
        if (!("use" in call)) {
          return [whole(call)];
        }
        const group = groups[call.use];
        if (group === undefined) {
          throw new Error(`the trace has no group ${call.use}`);
        }
        return group.map(whole);
      }),
    })),
  };
}

/** `text` with what was captured in place of every `{name}`. @throws when nothing of that name was. */
export function fill(text: string, captured: Captured): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = captured.get(name);
    if (value === undefined) {
      throw new Error(`no earlier call gave ${name}`);
    }
    return value;
  });
}

/** `fill` for every text within `value`. */
export function fillAll(value: unknown, captured: Captured): unknown {
  return mapTexts(value, (text) => fill(text, captured));
}

const KINDS: Readonly<Record<string, unknown>> = {
  $string: expect.any(String),
  $number: expect.any(Number),
  $boolean: expect.any(Boolean),
  $hex32: expect.stringMatching(/^[0-9a-f]{32}$/),
  $uuid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  $time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
  $url: expect.stringMatching(/^https?:\/\//),
  $ws: expect.stringMatching(/^wss?:\/\//),
};

/** What vitest's `toMatchObject` takes for an expectation of the trace: `$kind` stands for any value of that kind. */
export function pattern(value: unknown, captured: Captured): unknown {
  return mapTexts(value, (text) => (text.startsWith("$") ? kind(text) : fill(text, captured)));
}

function kind(name: string): unknown {
  if (!(name in KINDS)) {
    throw new Error(`the trace names the unknown kind ${name}`);
  }
  return KINDS[name];
}

function mapTexts(value: unknown, map: (text: string) => unknown): unknown {
  if (typeof value === "string") {
    return map(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => mapTexts(item, map));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, map)]));
  }
  return value;
}

/** The text at a dotted path within `value`. @throws when there is none. */
export function textAt(value: unknown, path: string): string {
  let at: unknown = value;
  for (const key of path.split(".")) {
    at =
      typeof at === "object" && at !== null
        ? Object.entries(at).find(([name]) => name === key)?.[1]
        : undefined;
  }
  return z.string({ error: `no text at ${path}` }).parse(at);
}
