/** Clients of a released hub: each reads and writes on and on, and counts what was not as it should be. */
import { setTimeout as pause } from "node:timers/promises";
import { HubClient } from "../../rehearsal/hub-client.ts";
import type { ReleaseContext } from "../environment.ts";

/** Between two requests of a client, in milliseconds: the processors are for the release. */
const THINK_MS = 15;
const CLIENTS = 3;
const READS = ["/tables", "/read?table=flights&dataset_id=airport:ATL&limit=1"];

export interface Served {
  readonly requests: number;
  /** Any answer but 200 to a read and 202 to a write, each in a few words. */
  readonly failed: readonly string[];
  /** Reads that the stable lane answered for the canary. */
  readonly spared: number;
  /** Answers of the canary. */
  readonly canary: number;
}

/** Requests until the work is done. @returns what it came to, and what the clients saw */
export async function underTraffic<T>(
  context: ReleaseContext,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly served: Served }> {
  const hub = new HubClient((await context.url("hub")) ?? "", context.secrets["BOOTSTRAP_API_KEY"] ?? "");
  const done = new AbortController();
  const failed: string[] = [];
  let [requests, spared, canary] = [0, 0, 0];
  const record = { time: 1_795_327_200_000, delay: 3, distance: 500, origin: "ATL", destination: "JFK" };
  const body = { dataset_id: "airport:ATL", table: "flights", records: [record] };

  const client = async (number: number): Promise<void> => {
    for (let turn = 0; !done.signal.aborted; turn += 1) {
      const name = `client-${number}-${turn}`;
      const write = turn % 3 === 0;
      const path = write ? "/buffer" : (READS[turn % READS.length] ?? "/tables");
      const answer = write
        ? await hub.request("POST", path, name, body)
        : await hub.request("GET", path, name);
      requests += 1;
      if (answer.spared) spared += 1;
      if (answer.lane === "canary") canary += 1;
      if (answer.status !== (write ? 202 : 200)) {
        failed.push(`${answer.status} ${path} (${answer.lane}): ${answer.body.slice(0, 200)}`);
      }
      await pause(THINK_MS);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  try {
    return { result: await work(), served: { requests, failed, spared, canary } };
  } finally {
    done.abort();
    await Promise.all(clients);
    hub.close();
  }
}
