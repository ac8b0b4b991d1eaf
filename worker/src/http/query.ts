import type { HubContext } from "./bindings.ts";

/** The query's parameters; one that is given several times is a list, which no schema of a single value takes. */
export function queryOf(c: HubContext): Readonly<Record<string, string | readonly string[]>> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => {
      const [first = ""] = values;
      return [name, values.length > 1 ? values : first];
    }),
  );
}
