import { z } from "zod";

const CONCURRENCY = 16;

const versionSchema = z.object({
  id: z.string(),
  tag: z.string(),
  generation: z.string(),
  secret: z.string().nullable(),
});

/** Which version a script answers with. */
export async function version(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<z.infer<typeof versionSchema>> {
  const response = await fetch(url, { headers });
  return versionSchema.parse(await response.json());
}

/** How many of `requests` each version answered. */
export async function countVersions(url: string, requests: number): Promise<ReadonlyMap<string, number>> {
  const counted = new Map<string, number>();
  let left = requests;
  async function ask(): Promise<void> {
    while (left-- > 0) {
      const { id } = await version(url);
      counted.set(id, (counted.get(id) ?? 0) + 1);
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, ask));
  return counted;
}

/** What came of steady traffic. */
export interface Asked {
  readonly asked: number;
  /** What each failed request said. */
  readonly failed: readonly string[];
}

/** Sends requests, four at a time, until it is stopped. */
export function keepAsking(url: string): { stop(): Promise<Asked> } {
  const failed: string[] = [];
  let asked = 0;
  const stopped = new AbortController();
  async function ask(): Promise<void> {
    while (!stopped.signal.aborted) {
      asked++;
      try {
        const response = await fetch(url);
        const text = await response.text();
        if (!response.ok) {
          failed.push(`${response.status} ${text}`);
        }
      } catch (error) {
        failed.push(String(error));
      }
    }
  }
  const askers = Array.from({ length: 4 }, ask);
  return {
    async stop() {
      stopped.abort();
      await Promise.all(askers);
      return { asked, failed };
    },
  };
}
