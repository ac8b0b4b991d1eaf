import { z } from "@hono/zod-openapi";

export const HealthSchema = z
  .object({
    status: z.enum(["ok", "degraded"]),
    version: z.object({ id: z.string(), tag: z.string() }),
    lane: z.string().openapi({ example: "stable" }),
    environment: z.string().openapi({ example: "production" }),
    bindings: z.record(z.string(), z.string()).openapi({
      description: "`ok`, or what is wrong, by binding",
      example: { DB: "ok", ARCHIVER: "unreachable" },
    }),
  })
  .openapi("Health");

export const ServiceSchema = z
  .object({
    service: z.string(),
    version: z.string(),
    lane: z.string(),
    links: z.record(z.string(), z.string()),
  })
  .openapi("Service");
