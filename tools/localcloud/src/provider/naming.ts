function renameKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) {
    return value.map((element: unknown) => renameKeys(element, rename));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [rename(key), renameKeys(inner, rename)]),
    );
  }
  return value;
}

/** The object with its keys, at every depth, as Pulumi spells them: `queue_name` → `queueName`. */
export function toPulumiNames(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [camelCase(key), renameKeys(inner, camelCase)]),
  );
}

function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
