/** The canary of the archiver's tests: a release whose background work is broken, over real RPC. */
import { WorkerEntrypoint } from "cloudflare:workers";

export default { fetch: () => new Response("archiver-canary") };

export class BackgroundWork extends WorkerEntrypoint {
  consume() {
    throw new TypeError("Cannot read properties of undefined (reading 'messages')");
  }

  run() {
    return { failed: [{ step: "archive", reason: "D1_ERROR: no such column: retained_until" }] };
  }
}
