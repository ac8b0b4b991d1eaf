/** The kinds of releases that the battery makes: what each does wrong, as source around the Worker's own entry. */
import type { RolloutWorker } from "../../worker/src/rollout/contract.ts";

/** Tenant whose requests alone the one-tenant defect breaks. */
export const UNLUCKY_TENANT = "ATL";

/** Milliseconds that slow kinds add. */
export const DELAY_MS = 300;

export interface Kind {
  readonly name: string;
  readonly worker: RolloutWorker;
  /** Body of the wrapped `fetch`; `inner()` calls the Worker's own. */
  readonly fetch?: string;
  /** More source at module scope: other exports, state of the isolate. */
  readonly module?: string;
}

const USER = `request.headers.has("strata-client")`;
const READ = `(request.method === "GET")`;
const PATH = `new URL(request.url).pathname`;
const FAIL = `return Response.json({ title: "planted" }, { status: 500 });`;

/** Parts of an archiver whose background work is planted: what the stable archiver calls on its canary. */
const background = (members: string): string => `
import { BackgroundWork as Own } from "ENTRY";
export class BackgroundWork extends Own {
  ${members}
}`;

/** Parts of an archiver whose answers to the hub are planted. */
const service = (members: string): string => `
import { ArchiveService as Own } from "ENTRY";
export class ArchiveService extends Own {
  ${members}
}`;

/**
 * Bad releases. All but the first ones behave for the smoke check, whose requests name no
 * client, so that the judge and not the smoke check has to find them.
 */
export const BAD_KINDS: readonly Kind[] = [
  { name: "throws while it starts", worker: "hub", module: `throw new Error("planted");` },
  { name: "throws on every request", worker: "hub", fetch: `throw new Error("planted");` },
  {
    name: "a field of an answer is gone (broken schema)",
    worker: "hub",
    fetch: `const answer = await inner();
    if (${PATH} !== "/tables") return answer;
    const { tables, ...rest } = await answer.json();
    return Response.json({ ...rest, table_names: tables }, answer);`,
  },
  { name: "500 on all reads", worker: "hub", fetch: `if (${USER} && ${READ}) { ${FAIL} } return inner();` },
  { name: "500 on all writes", worker: "hub", fetch: `if (${USER} && !${READ}) { ${FAIL} } return inner();` },
  {
    name: "500 on one route",
    worker: "hub",
    fetch: `if (${USER} && ${PATH} === "/tables") { ${FAIL} } return inner();`,
  },
  {
    name: "500 on 2 % of requests",
    worker: "hub",
    fetch: `if (${USER} && Math.random() < 0.02) { ${FAIL} } return inner();`,
  },
  {
    name: "throws at random, 10 %",
    worker: "hub",
    fetch: `if (${USER} && Math.random() < 0.1) throw new Error("planted"); return inner();`,
  },
  {
    name: `every answer ${DELAY_MS} ms later`,
    worker: "hub",
    fetch: `if (${USER}) await scheduler.wait(${DELAY_MS}); return inner();`,
  },
  {
    name: `one route ${DELAY_MS} ms later`,
    worker: "hub",
    fetch: `if (${USER} && ${PATH} === "/tables") await scheduler.wait(${DELAY_MS}); return inner();`,
  },
  {
    name: "hangs on every read",
    worker: "hub",
    fetch: `if (${USER} && ${READ}) await scheduler.wait(60_000); return inner();`,
  },
  {
    name: "hangs on 5 % of requests",
    worker: "hub",
    fetch: `if (${USER} && Math.random() < 0.05) await scheduler.wait(60_000); return inner();`,
  },
  {
    name: "wrong content type",
    worker: "hub",
    fetch: `const answer = await inner();
    if (!${USER} || !${READ}) return answer;
    const wrong = new Response(answer.body, answer);
    wrong.headers.set("content-type", "text/plain");
    return wrong;`,
  },
  {
    name: "404 on every read",
    worker: "hub",
    fetch: `if (${USER} && ${READ}) return Response.json({ title: "planted" }, { status: 404 }); return inner();`,
  },
  {
    name: "redirects every read",
    worker: "hub",
    fetch: `if (${USER} && ${READ}) return new Response(null, { status: 302, headers: { location: "/" } });
    return inner();`,
  },
  {
    name: "answers break off in the middle, 20 %",
    worker: "hub",
    fetch: `const answer = await inner();
    if (!${USER} || !${READ} || Math.random() >= 0.2) return answer;
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("{"));
        await scheduler.wait(5);
        controller.error(new Error("planted"));
      },
    });
    const broken = new Response(body, answer);
    broken.headers.delete("content-length");
    return broken;`,
  },
  {
    name: "leaks memory: each request is slower than the one before",
    worker: "hub",
    module: `const leaked = [];`,
    fetch: `if (${USER}) {
      leaked.push(new Uint8Array(16_384));
      let sum = 0;
      for (const bytes of leaked) for (let i = 0; i < bytes.length; i += 8) sum += bytes[i];
      await scheduler.wait(sum + leaked.length / 2);
    }
    return inner();`,
  },
  {
    name: "breaks for one tenant only",
    worker: "hub",
    fetch: `if (${USER} && request.url.includes("dataset_id=${UNLUCKY_TENANT}")) { ${FAIL} } return inner();`,
  },
  {
    name: "reads of the archive throw",
    worker: "archiver",
    module: service(`read() { throw new Error("planted"); }`),
  },
  {
    name: "reads of the archive find nothing",
    worker: "archiver",
    module: service(
      `read(request) { return super.read({ ...request, datasetId: request.datasetId + "-planted" }); }`,
    ),
  },
  {
    name: "the queue consumer throws",
    worker: "archiver",
    module: background(`consume() { throw new Error("planted"); }`),
  },
  {
    name: "the queue consumer fails one batch of three",
    worker: "archiver",
    module: background(
      `consume(...args) { if (Math.random() < 0.34) throw new Error("planted"); return super.consume(...args); }`,
    ),
  },
  {
    name: "the queue consumer acknowledges and stores nothing",
    worker: "archiver",
    module: background(`async consume(messages) { return { acked: messages.map(({ id }) => id) }; }`),
  },
  {
    name: "the queue consumer hangs",
    worker: "archiver",
    module: background(`async consume() { await scheduler.wait(60_000); return { acked: [] }; }`),
  },
  {
    name: "the cron throws",
    worker: "archiver",
    module: background(`run() { throw new Error("planted"); }`),
  },
];

/** A good release that differs from others by a number, with the noise that a busy service has. */
export function goodKind(number: number): Kind {
  return {
    name: `good release ${number}`,
    worker: "hub",
    fetch: `// Now and then something takes longer, on every version alike.
    if (Math.random() < 0.03) await scheduler.wait(20 + Math.random() * 120);
    const answer = await inner();
    const marked = new Response(answer.body, answer);
    marked.headers.set("strata-battery", "${number}");
    return marked;`,
  };
}

/**
 * Source of a variant's entry module.
 * @param entry import specifier of the Worker's own entry
 */
export function variantSource(kind: Kind, entry: string): string {
  const from = JSON.stringify(entry);
  return `import worker from ${from};
export * from ${from};
${(kind.module ?? "").replaceAll(`"ENTRY"`, from)}
export default {
  ...worker,
  async fetch(request, env, ctx) {
    const inner = () => worker.fetch(request, env, ctx);
    ${kind.fetch ?? "return inner();"}
  },
};
`;
}
