/** The archiver with counters in front of its database, bucket and queue; nothing else differs. */
import { Meter, meteredBucket, meteredDatabase } from "../../archiver/src/cost/index.ts";
import type { Env } from "../../archiver/src/env.generated.ts";
import archiver, { ArchiveService as Archiver } from "../../archiver/src/index.ts";
import type { Spent } from "../lib/spent.ts";

/** A message is written, read and deleted, and each is billed by 64 KB begun. */
const OPERATIONS_OF_MESSAGE = 3;
const BILLED_BYTES = 64_000;

let meter = new Meter();
const none = { messages: 0, queueOperations: 0, deliveries: 0 };
let queue = { ...none };

function countMessage(body: Uint8Array): void {
  queue.messages += 1;
  queue.queueOperations += OPERATIONS_OF_MESSAGE * Math.ceil(body.length / BILLED_BYTES);
}

function meteredQueue(target: Queue<Uint8Array>): Queue<Uint8Array> {
  return {
    metrics: () => target.metrics(),
    send: (body, options) => {
      countMessage(body);
      return target.send(body, options);
    },
    sendBatch: (messages, options) => {
      const list = [...messages];
      for (const { body } of list) countMessage(body);
      return target.sendBatch(list, options);
    },
  };
}

/** One meter for all of the isolate: a bench does one thing at a time. */
function metered(env: Env): Env {
  return {
    ...env,
    DB: meteredDatabase(env.DB, meter),
    COLD: meteredBucket(env.COLD, meter),
    INGEST: meteredQueue(env.INGEST),
  };
}

export class ArchiveService extends Archiver {
  constructor(context: ExecutionContext, env: Env) {
    super(context, metered(env));
  }

  /** What was counted since this was asked last. */
  async takeSpent(): Promise<Spent> {
    const spent = { ...meter.spent, ...queue };
    meter = new Meter();
    queue = { ...none };
    return spent;
  }
}

export default {
  ...archiver,
  queue: (batch, env) => {
    queue.deliveries += 1;
    return archiver.queue(batch, metered(env));
  },
} satisfies ExportedHandler<Env>;
