import { z } from "zod";
import type { Api } from "../api.ts";
import { defineKind, type Existing } from "../kind.ts";

const inputs = z.object({
  accountId: z.string(),
  scriptName: z.string(),
  schedules: z.array(z.object({ cron: z.string() })),
});

type Inputs = z.infer<typeof inputs>;

async function put(api: Api, { accountId, scriptName, schedules }: Inputs): Promise<Existing> {
  await api.workers.scripts.schedules.update(scriptName, { account_id: accountId, body: schedules });
  return { id: scriptName, state: { accountId, scriptName, schedules } };
}

/** Every schedule of one script; the API knows no smaller part. */
export const workersCronTrigger = defineKind({
  type: "cloudflare:index/workersCronTrigger:WorkersCronTrigger",
  inputs,
  replacedBy: ["scriptName"],
  create: put,
  async read(api, id, { accountId }) {
    const { schedules } = await api.workers.scripts.schedules.get(id, { account_id: accountId });
    return {
      id,
      state: { accountId, scriptName: id, schedules: schedules.map(({ cron }) => ({ cron })) },
    };
  },
  async update(api, _id, wanted) {
    return put(api, wanted);
  },
  delete: "the cron triggers of a script stay as they are",
});
