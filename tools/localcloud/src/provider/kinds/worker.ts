import { z } from "zod";
import { defineKind, type Existing } from "../kind.ts";
import { toPulumiNames } from "../naming.ts";

const samplingRate = z.number().min(0).max(1);

/** Defaults are those of the real provider: a field left out is reset to them, unless the program ignores it. */
const inputs = z.object({
  accountId: z.string(),
  name: z.string(),
  logpush: z.boolean().default(false),
  observability: z
    .object({
      enabled: z.boolean().default(false),
      headSamplingRate: samplingRate.default(1),
      logs: z
        .object({
          enabled: z.boolean().default(false),
          headSamplingRate: samplingRate.default(1),
          invocationLogs: z.boolean().default(true),
          persist: z.boolean().default(true),
        })
        .exactOptional(),
      traces: z
        .object({
          enabled: z.boolean().default(false),
          headSamplingRate: samplingRate.default(1),
          persist: z.boolean().default(true),
        })
        .prefault({}),
    })
    .prefault({}),
  subdomain: z
    .object({ enabled: z.boolean().default(false), previewsEnabled: z.boolean().default(false) })
    .prefault({}),
  tags: z.array(z.string()).default([]),
  tailConsumers: z.array(z.object({ name: z.string() })).default([]),
});

type Inputs = z.infer<typeof inputs>;

function body({ accountId, name, logpush, observability, subdomain, tags, tailConsumers }: Inputs) {
  const { enabled, headSamplingRate, logs, traces } = observability;
  return {
    account_id: accountId,
    name,
    logpush,
    observability: {
      enabled,
      head_sampling_rate: headSamplingRate,
      ...(logs && {
        logs: {
          enabled: logs.enabled,
          head_sampling_rate: logs.headSamplingRate,
          invocation_logs: logs.invocationLogs,
          persist: logs.persist,
        },
      }),
      traces: {
        enabled: traces.enabled,
        head_sampling_rate: traces.headSamplingRate,
        persist: traces.persist,
      },
    },
    subdomain: { enabled: subdomain.enabled, previews_enabled: subdomain.previewsEnabled },
    tags,
    tail_consumers: tailConsumers,
  };
}

function existing(accountId: string, worker: { readonly id: string }): Existing {
  return { id: worker.id, state: { ...toPulumiNames(worker), accountId } };
}

/** The Worker itself: its name and settings, without code. */
export const worker = defineKind({
  type: "cloudflare:index/worker:Worker",
  inputs,
  replacedBy: [],
  async create(api, wanted) {
    return existing(wanted.accountId, await api.workers.beta.workers.create(body(wanted)));
  },
  async read(api, id, { accountId }) {
    return existing(accountId, await api.workers.beta.workers.get(id, { account_id: accountId }));
  },
  async update(api, id, wanted) {
    return existing(wanted.accountId, await api.workers.beta.workers.update(id, body(wanted)));
  },
  async delete(api, id, { accountId }) {
    await api.workers.beta.workers.delete(id, { account_id: accountId });
  },
});
