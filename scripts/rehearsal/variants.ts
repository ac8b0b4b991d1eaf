/**
 * Other builds of the Workers, made by wrapping their entry modules: good second
 * versions, and a third one of the hub that breaks a part of its requests.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

/** Share of the broken version's requests that answer 500. */
const BROKEN_SHARE = 0.3;

function wrap(worker: string, answer: string): string {
  return `import worker from ${JSON.stringify(worker)};
export * from ${JSON.stringify(worker)};
export default {
  ...worker,
  async fetch(request, env, ctx) {
    ${answer}
  },
};
`;
}

const GOOD = `const response = await worker.fetch(request, env, ctx);
    const marked = new Response(response.body, response);
    marked.headers.set("strata-rehearsal", "v2");
    return marked;`;

const BROKEN = `const { pathname } = new URL(request.url);
    if (pathname !== "/health" && request.headers.has("strata-client") && Math.random() < ${BROKEN_SHARE}) {
      return Response.json({ title: "rehearsed failure" }, { status: 500 });
    }
    return worker.fetch(request, env, ctx);`;

export interface Variants {
  readonly good: string;
  readonly goodArchiver: string;
  readonly broken: string;
}

/**
 * Writes the entry modules.
 * @returns their files
 */
export async function writeVariants(root: string, directory: string): Promise<Variants> {
  await mkdir(directory, { recursive: true });
  const write = async (name: string, main: string, answer: string): Promise<string> => {
    const file = path.join(directory, name);
    const entry = path.relative(directory, path.join(root, main));
    await writeFile(file, wrap(entry.startsWith(".") ? entry : `./${entry}`, answer));
    return file;
  };
  const [good, goodArchiver, broken] = await Promise.all([
    write("hub-v2.ts", "worker/src/index.ts", GOOD),
    write("archiver-v2.ts", "archiver/src/index.ts", GOOD),
    write("hub-v3.ts", "worker/src/index.ts", BROKEN),
  ]);
  return { good, goodArchiver, broken };
}
