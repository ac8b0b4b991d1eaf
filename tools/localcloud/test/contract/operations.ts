import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** The parts of Cloudflare's API that the local cloud serves, as path prefixes. */
const AREAS = [
  "/accounts",
  "/memberships",
  "/user",
  "/accounts/{}/tokens/verify",
  "/accounts/{}/storage/kv",
  "/accounts/{}/d1",
  "/accounts/{}/queues",
  "/accounts/{}/r2/buckets",
  "/accounts/{}/workers",
];
/** Areas of which only the thing itself and its children by id are taken, not all that hangs below. */
const SHALLOW = new Set(["/accounts", "/memberships", "/user"]);

const schemasSchema = z.object({
  schemas: z.record(z.string(), z.object({ httpMethod: z.string(), path: z.string() })),
});

/** A list of operations, as `METHOD /path/{}`: parameters without their names, sorted. */
export const operationsSchema = z.object({
  /** The version of the `cf` package that they were read from. */
  cf: z.string(),
  operations: z.array(z.string()),
});

/** A call with the names of its parameters left out: `{name}` as documented, `:name{pattern}` as Hono writes it. */
export function operationOf(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replaceAll(/:\w+(\{[^}]*\})?|\{[^}]*\}/g, "{}")}`;
}

function served(path: string): boolean {
  return AREAS.some((area) => {
    if (path === area || path === `${area}/{}`) {
      return true;
    }
    return SHALLOW.has(area) ? path === "/user/tokens/verify" : path.startsWith(`${area}/`);
  });
}

/**
 * The operations of an unpacked `cf` package (Cloudflare's command line, whose
 * `_meta/schemas.json` lists every operation of the API) in the areas served here.
 */
export function readOperations(packageDirectory: string): z.infer<typeof operationsSchema> {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(packageDirectory, path), "utf8"));
  const { version } = z.object({ version: z.string() }).parse(read("package.json"));
  const { schemas } = schemasSchema.parse(read("cf-dist/_meta/schemas.json"));
  const operations = Object.values(schemas)
    .map(({ httpMethod, path }) => operationOf(httpMethod, path))
    .filter((operation) => served(operation.slice(operation.indexOf(" ") + 1)));
  return { cf: version, operations: [...new Set(operations)].toSorted() };
}
