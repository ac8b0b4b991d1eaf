/** Many tenants at once, in random order and portions: does each read back exactly their own? */
import { createHash } from "node:crypto";
import type { ArchiveStats } from "../archiver/src/contract.ts";
import { Random } from "../archiver/conformance/random.ts";
import { BenchArchiver } from "./lib/archiver.ts";
import { containerOf, randomEvent } from "./lib/events.ts";
import { bytes, fixed, whole } from "./lib/numbers.ts";
import type { BenchRecord } from "./lib/records.ts";
import type { Bench, Report } from "./lib/report.ts";
import { seedOf } from "./lib/seed.ts";

const USERS = 50;
const RECORDS = 10_000;
const DAYS = 3;
const MAX_UPLOAD = 1_000;
const PAGE = 5_000;
const TABLE = "earthquakes";

/** What a set of records is known by, whatever their order: the digest of their sorted lines. */
function digestOf(lines: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of lines.toSorted()) hash.update(`${line}\n`);
  return `${lines.length} ${hash.digest("hex")}`;
}

interface User {
  readonly datasetId: string;
  readonly digest: string;
  /** Records that are still to be uploaded. */
  readonly waiting: BenchRecord[];
}

/** JSON with its keys in the order of the schema, which is that of reads. */
const lineOf = (record: BenchRecord): string => JSON.stringify(record);

function makeUsers(random: Random): readonly User[] {
  return Array.from({ length: USERS }, (_, index): User => {
    const records = Array.from({ length: RECORDS }, () => randomEvent(random, DAYS));
    return {
      datasetId: `user-${String(index + 1).padStart(2, "0")}`,
      digest: digestOf(records.map(lineOf)),
      waiting: records,
    };
  });
}

/** Uploads everything in portions of random size, from users in random order, as JSON or as containers. */
async function upload(archiver: BenchArchiver, users: readonly User[], random: Random): Promise<number> {
  let requests = 0;
  let active = users.filter(({ waiting }) => waiting.length > 0);
  while (active.length > 0) {
    const user = active[random.below(active.length)];
    if (user === undefined) break;
    const records = user.waiting.splice(0, 1 + random.below(MAX_UPLOAD));
    const target = { datasetId: user.datasetId, table: TABLE };
    if (random.once(2)) await archiver.ingest({ ...target, records });
    else await archiver.ingestContainer(target, containerOf(records));
    requests += 1;
    active = active.filter(({ waiting }) => waiting.length > 0);
  }
  return requests;
}

/** How many users do not read back exactly their own. */
async function wrongReaders(archiver: BenchArchiver, users: readonly User[]): Promise<number> {
  let wrong = 0;
  for (const { datasetId, digest } of users) {
    const lines: string[] = [];
    for await (const page of archiver.read({ datasetId, table: TABLE, from: 0, to: 2 ** 45, limit: PAGE })) {
      lines.push(...page.body.split("\n").filter((line) => line !== ""));
    }
    if (digestOf(lines) !== digest) wrong += 1;
  }
  return wrong;
}

async function drained(archiver: BenchArchiver): Promise<ArchiveStats> {
  await archiver.drainQueue();
  return archiver.stats();
}

async function run(): Promise<Report> {
  const seed = seedOf("tenants");
  const random = new Random(seed);
  const users = makeUsers(random);
  await using archiver = await BenchArchiver.start();
  const rows: (readonly string[])[] = [];
  const outcomes: number[] = [];

  const phase = async <T>(name: string, work: () => Promise<T>, found: (result: T) => string): Promise<T> => {
    process.stderr.write(`  ${name}\n`);
    const start = performance.now();
    const { result, growth } = await archiver.process.growthOf(work);
    const seconds = (performance.now() - start) / 1_000;
    const after = await archiver.process.memory();
    rows.push([
      name,
      fixed(seconds, 1),
      growth === null ? "not known" : bytes(growth),
      after === null ? "not known" : bytes(after.peak),
      found(result),
    ]);
    return result;
  };
  const check = async (when: string): Promise<void> => {
    outcomes.push(
      await phase(
        `read back ${when}`,
        () => wrongReaders(archiver, users),
        (wrong) => `${USERS - wrong} of ${USERS} users got exactly their own`,
      ),
    );
  };

  await phase(
    "upload",
    () => upload(archiver, users, random),
    (requests) => `${whole(requests)} requests`,
  );
  await phase(
    "queue → hot rows",
    () => drained(archiver),
    ({ hot }) => `${whole(hot.rows)} rows`,
  );
  await check("hot");
  await phase(
    "archive",
    () => archiver.archiveAll(),
    (runs) => `${runs.length} runs`,
  );
  const archived = await archiver.stats();
  await check("from cold files");
  await phase(
    "compact",
    () => archiver.compactAll(),
    (runs) => `${runs.length} runs`,
  );
  const compacted = await archiver.stats();
  await check("from compacted files");

  const wrong = outcomes.reduce((total, count) => total + count, 0);
  const files = ({ cold }: typeof archived): string =>
    `${whole(cold.files)} files, ${whole(cold.blocks)} blocks, ${bytes(cold.bytes)}`;
  return {
    sections: [
      {
        title: `${USERS} users × ${whole(RECORDS)} records over ${DAYS} days, seed ${seed}`,
        table: { columns: ["step", "seconds", "workerd grew by", "workerd at most", "found"], rows },
      },
    ],
    remarks: [`archived: ${files(archived)}; compacted: ${files(compacted)}`],
    goals: [
      {
        promise: "each user reads back exactly their own, hot, cold and compacted",
        found: wrong === 0 ? "nothing lost, doubled or of another user" : `${wrong} readings that differ`,
        reached: wrong === 0 && compacted.cold.records === USERS * RECORDS,
      },
    ],
  };
}

export const tenants: Bench = {
  name: "tenants",
  about: `${USERS} users × ${whole(RECORDS)} random records through ingest, queue, archive, compaction and read`,
  run,
};
