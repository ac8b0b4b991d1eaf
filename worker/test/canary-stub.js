/**
 * The canary of the hub's tests: `canary-status` chooses its status, `canary-body` a
 * streamed body, `canary-wait` milliseconds before its head, `canary-throw` no answer.
 */

function streamed(breaks) {
  const chunks = ["one ", "two"];
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const chunk = chunks.shift();
      if (breaks && chunks.length === 0) return controller.error(new Error("broken"));
      if (chunk === undefined) return controller.close();
      controller.enqueue(new TextEncoder().encode(chunk));
    },
  });
}

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (searchParams.has("canary-throw")) throw new Error("thrown by the canary");
    await scheduler.wait(Number(searchParams.get("canary-wait") ?? 0));
    const status = Number(searchParams.get("canary-status") ?? 200);
    const headers = { etag: '"canary"' };
    if (status === 304) return new Response(null, { status, headers });
    if (request.method === "HEAD") return new Response(null, { status, headers });
    const kind = searchParams.get("canary-body");
    if (kind !== null) return new Response(streamed(kind === "broken"), { headers });
    return Response.json({ lane: "canary", path: pathname }, { status });
  },
};
