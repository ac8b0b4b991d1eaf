/** What the hub says when it refuses: RFC 9457 problem documents, read from answers that may be anything. */
import { z } from "zod";

const problemSchema = z.object({
  type: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  faults: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

export type Problem = z.infer<typeof problemSchema>;

/** Characters that are shown of a body that is no problem document. */
const SHOWN_TEXT = 200;

/** The body as JSON where it is JSON, else as it came. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The problem document of an answer's body; empty when it is none. */
export function problemOf(body: unknown): Problem {
  return problemSchema.safeParse(body).data ?? {};
}

/** A sentence out of an answer's body; empty when it says nothing. */
export function problemText(body: unknown): string {
  if (typeof body === "string") return body.slice(0, SHOWN_TEXT);
  const { title, detail } = problemOf(body);
  return [title, detail].filter(Boolean).join(": ");
}
