/** Documents of HTTP that several features declare in the OpenAPI document. */
import { z } from "@hono/zod-openapi";
import { PROBLEMS, problemType, type ProblemKind } from "./problems.ts";

export const FaultSchema = z
  .object({
    path: z.string().openapi({ description: "JSON Pointer to the value", example: "/records/3/delay" }),
    message: z.string().openapi({ example: "must be an int" }),
  })
  .openapi("Fault");

export const ProblemSchema = z
  .looseObject({
    type: z.string().openapi({ example: problemType("invalid") }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: "What happened, and how to mend it" }),
    request_id: z.string(),
    faults: z
      .array(FaultSchema)
      .optional()
      .openapi({ description: "Every fault of a refused input; the first 100" }),
    fault_count: z.int().optional(),
    tables: z
      .array(z.string())
      .optional()
      .openapi({ description: "The tables that exist, with `unknown-table`" }),
    accepted: z
      .int()
      .optional()
      .openapi({ description: "How many records were taken, the first ones, with `queue-unavailable`" }),
    of: z.int().optional().openapi({ description: "How many records came, with `queue-unavailable`" }),
    content_types: z.array(z.string()).optional().openapi({
      description: "What is taken or given here, with `unsupported-media-type`, `not-acceptable`",
    }),
  })
  .openapi("Problem");

interface ProblemAnswer {
  readonly description: string;
  readonly content: { readonly "application/problem+json": { readonly schema: typeof ProblemSchema } };
}

/** Problems that a route has without naming them: any may fail, and a guard needs its secret. */
function impliedBy(kinds: readonly ProblemKind[]): readonly ProblemKind[] {
  return kinds.includes("unauthenticated") ? ["not-configured", "internal-error"] : ["internal-error"];
}

/** The problem answers of a route, by status; problems of one status share an entry. */
export function problemAnswers(...kinds: readonly ProblemKind[]): Record<string, ProblemAnswer> {
  const descriptions = new Map<string, string>();
  for (const kind of [...kinds, ...impliedBy(kinds)]) {
    const { status, title } = PROBLEMS[kind];
    const sentence = `\`${problemType(kind)}\`: ${title}.`;
    const earlier = descriptions.get(String(status));
    descriptions.set(String(status), earlier === undefined ? sentence : `${earlier} ${sentence}`);
  }
  return Object.fromEntries(
    [...descriptions].map(([status, description]) => [
      status,
      { description, content: { "application/problem+json": { schema: ProblemSchema } } },
    ]),
  );
}

/** A JSON answer of a route. */
export function jsonAnswer<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { "application/json": { schema } } };
}

/** A JSON body that a route needs. */
export function jsonBody<S extends z.ZodType>(schema: S) {
  return { required: true, content: { "application/json": { schema } } };
}
