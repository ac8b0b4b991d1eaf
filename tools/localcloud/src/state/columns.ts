import { z } from "zod";
import type { ScriptBinding } from "../model.ts";

/** A column that holds JSON, parsed and checked against `schema`. */
export function jsonColumn<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);
}

/** A column that holds 0 or 1. */
export const booleanColumn: z.ZodType<boolean> = z.number().transform((value) => value !== 0);

const name = z.string().min(1);

/** A binding as stored and as run; see `ScriptBinding`. */
export const bindingSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("kv_namespace"), name, namespace_id: z.string() }),
  z.object({ type: z.literal("d1"), name, id: z.string() }),
  z.object({ type: z.literal("r2_bucket"), name, bucket_name: z.string() }),
  z.object({ type: z.literal("queue"), name, queue_name: z.string() }),
  z.object({ type: z.literal("service"), name, service: z.string(), entrypoint: z.string().optional() }),
  z.object({
    type: z.literal("durable_object_namespace"),
    name,
    class_name: z.string(),
    script_name: z.string().optional(),
  }),
  z.object({ type: z.literal("plain_text"), name, text: z.string() }),
  z.object({ type: z.literal("secret_text"), name, text: z.string() }),
  z.object({ type: z.literal("json"), name, json: z.unknown() }),
  z.object({ type: z.literal("version_metadata"), name }),
]) satisfies z.ZodType<ScriptBinding>;

export const BINDING_TYPES: readonly string[] = bindingSchema.options.map(
  (option) => option.shape.type.value,
);
