/**
 * Other builds of the hub, made by wrapping its entry module: a good second
 * version, and a third one that breaks a part of its reads.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

/** Share of the broken version's reads that answer 500. */
export const BROKEN_READ_SHARE = 0.3;

function wrap(hub: string, answer: string): string {
  return `import hub from ${JSON.stringify(hub)};
export * from ${JSON.stringify(hub)};
export default {
  ...hub,
  async fetch(request, env, ctx) {
    ${answer}
  },
};
`;
}

const GOOD = `const response = await hub.fetch(request, env, ctx);
    const marked = new Response(response.body, response);
    marked.headers.set("strata-rehearsal", "v2");
    return marked;`;

const BROKEN = `const { pathname } = new URL(request.url);
    if (request.method === "GET" && pathname !== "/health" && Math.random() < ${BROKEN_READ_SHARE}) {
      return Response.json({ title: "rehearsed failure" }, { status: 500 });
    }
    return hub.fetch(request, env, ctx);`;

/**
 * Writes both entry modules.
 * @returns their files
 */
export async function writeVariants(
  root: string,
  directory: string,
): Promise<{ readonly good: string; readonly broken: string }> {
  await mkdir(directory, { recursive: true });
  const hub = path.relative(directory, path.join(root, "worker/src/index.ts"));
  const write = async (name: string, answer: string): Promise<string> => {
    const file = path.join(directory, name);
    await writeFile(file, wrap(hub.startsWith(".") ? hub : `./${hub}`, answer));
    return file;
  };
  const [good, broken] = await Promise.all([write("hub-v2.ts", GOOD), write("hub-v3.ts", BROKEN)]);
  return { good, broken };
}
