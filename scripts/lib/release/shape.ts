/** Whether one JSON value has everything that another one has, by shape. Pure. */

/** Elements of an array whose shapes are compared, at most. */
const MAX_ELEMENTS = 50;
const MAX_FAULTS = 20;

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function field(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** Fields of any element, each with its first value that is not null. */
function merged(elements: readonly unknown[]): JsonObject | null {
  const objects = elements.filter(isObject);
  if (objects.length === 0) return null;
  const fields = new Map<string, unknown>();
  for (const object of objects) {
    for (const [name, value] of Object.entries(object)) fields.set(name, fields.get(name) ?? value);
  }
  return Object.fromEntries(fields);
}

function compare(good: unknown, found: unknown, path: string, faults: string[]): void {
  // Null stands for any kind: what is optional may be there in one answer and not in the other.
  if (good === null || found === null || faults.length >= MAX_FAULTS) return;
  const [wanted, given] = [kindOf(good), kindOf(found)];
  if (wanted !== given) {
    faults.push(`${path === "" ? "the answer" : path} is of kind ${given}, not ${wanted}`);
    return;
  }
  if (Array.isArray(good) && Array.isArray(found)) {
    // An empty list says nothing about its elements.
    if (good.length === 0 || found.length === 0) return;
    const [before, now] = [merged(good.slice(0, MAX_ELEMENTS)), merged(found.slice(0, MAX_ELEMENTS))];
    if (before !== null && now !== null) compare(before, now, `${path}[]`, faults);
    else compare(good[0], found[0], `${path}[]`, faults);
    return;
  }
  if (!isObject(good) || !isObject(found)) return;
  for (const [name, value] of Object.entries(good)) {
    if (Object.hasOwn(found, name)) compare(value, found[name], field(path, name), faults);
    else faults.push(`${field(path, name)} is missing`);
  }
}

/**
 * Every field of `good` that `found` lacks or holds in another kind. More fields
 * than before are no fault: clients that know the former answer understand it.
 */
export function shapeFaults(good: unknown, found: unknown): readonly string[] {
  const faults: string[] = [];
  compare(good, found, "", faults);
  return faults;
}
