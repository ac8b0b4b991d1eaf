/** The record with every value replaced by what `transform` makes of it; the keys stay typed. */
export function mapRecord<K extends string, A, B>(
  keys: readonly K[],
  record: Readonly<Record<K, A>>,
  transform: (value: A, key: K) => B,
): Record<K, B> {
  // `keys` is the whole key type by construction (the KEYS constants of the topology), which `fromEntries` cannot know.
  return Object.fromEntries(keys.map((key) => [key, transform(record[key], key)])) as Record<K, B>;
}
