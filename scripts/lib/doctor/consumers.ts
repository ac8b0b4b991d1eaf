/** Whether each queue is consumed by whom the topology says, as it says. */
import {
  QUEUE_KEYS,
  WORKER_KEYS,
  type QueueConsumer as WantedConsumer,
  type QueueKey,
} from "../../../infra/topology.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError } from "../exit.ts";
import { sameConsumer } from "../release/triggers.ts";
import { check, type DoctorCheck } from "./check.ts";

interface Wanted {
  readonly script: string;
  readonly consumer: WantedConsumer;
}

async function queueCheck(context: ReleaseContext, key: QueueKey): Promise<DoctorCheck> {
  const { api, topology } = context;
  const { name } = topology.queues[key];
  const wanted = WORKER_KEYS.flatMap((worker): readonly Wanted[] =>
    topology.workers[worker].consumers
      .filter(({ queue }) => queue === key)
      .map((consumer) => ({ script: topology.workers[worker].name, consumer })),
  );
  const id = `consumer-${key}`;
  try {
    const found = await api.queueConsumers(name);
    const wrong = wanted.flatMap(({ script, consumer }) => {
      const deadLetter = consumer.deadLetter === null ? null : topology.queues[consumer.deadLetter].name;
      if (sameConsumer(consumer, deadLetter, script, found)) return [];
      const there = found.some(({ scriptName }) => scriptName === script);
      return [
        there ? `${script} consumes it with other settings` : `${script} does not consume it: messages wait`,
      ];
    });
    const strangers = found
      .map(({ scriptName }) => scriptName ?? "someone who is no Worker")
      .filter((script) => !wanted.some((one) => one.script === script));
    if (strangers.length > 0) {
      return check(
        "release",
        id,
        "fail",
        [`queue ${name} is consumed by ${strangers.join(", ")}, too`, ...wrong].join("; "),
        `Take it away: npx wrangler queues consumer remove ${name} ${strangers[0] ?? ""}`,
      );
    }
    if (wrong.length === 0) return check("release", id, "ok", `queue ${name} has its consumer`);
    const mend = "The next release of the archiver applies the topology's: npm run release:archiver";
    return check("release", id, "warn", `queue ${name}: ${wrong.join("; ")}`, mend);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return check("release", id, "skipped", `queue ${name}: ${error.message}`, error.hints[0] ?? null);
  }
}

/** One finding for each queue; consumers come with releases, so a release mends what is missing. */
export function consumerChecks(context: ReleaseContext): Promise<readonly DoctorCheck[]> {
  return Promise.all(QUEUE_KEYS.map((key) => queueCheck(context, key)));
}
