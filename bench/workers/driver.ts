/**
 * Calls the archiver as the hub does, over a service binding. `POST /<method>` takes the
 * argument as JSON; a container comes as the body, its request in the header `x-request`;
 * of a page, the body is the page's and the header `x-page` says the rest.
 */
import type { ArchiverApi, ReadRequest } from "../../archiver/src/contract.ts";
import type { Spent } from "../lib/spent.ts";

interface MeteredApi extends ArchiverApi {
  takeSpent(): Promise<Spent>;
}

interface Env {
  readonly ARCHIVER: MeteredApi;
}

async function readPage(archiver: ArchiverApi, request: ReadRequest): Promise<Response> {
  const result = await archiver.read(request);
  if (!result.ok || !result.modified) return Response.json(result, { status: 422 });
  const { body, ...page } = result;
  return new Response(body, { headers: { "x-page": JSON.stringify(page) } });
}

async function call(request: Request, method: string, archiver: MeteredApi): Promise<Response> {
  const argument = async <T>(): Promise<T> => request.json<T>();
  switch (method) {
    case "ingest":
      return Response.json(await archiver.ingest(await argument()));
    case "ingest-container": {
      const target = JSON.parse(request.headers.get("x-request") ?? "{}");
      return Response.json(
        await archiver.ingest({ ...target, container: new Uint8Array(await request.arrayBuffer()) }),
      );
    }
    case "read":
      return readPage(archiver, await argument());
    case "archive":
      return Response.json(await archiver.archive());
    case "compact":
      return Response.json(await archiver.compact(await argument()));
    case "retain":
      return Response.json(await archiver.retain());
    case "stats":
      return Response.json(await archiver.stats());
    case "take-spent":
      return Response.json(await archiver.takeSpent());
    default:
      return new Response(`there is no method ${method}`, { status: 404 });
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    try {
      return await call(request, new URL(request.url).pathname.slice(1), env.ARCHIVER);
    } catch (error) {
      return new Response(error instanceof Error ? (error.stack ?? error.message) : String(error), {
        status: 500,
      });
    }
  },
} satisfies ExportedHandler<Env>;
