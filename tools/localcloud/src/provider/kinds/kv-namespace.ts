import { z } from "zod";
import { defineKind, type Existing } from "../kind.ts";

const inputs = z.object({ accountId: z.string(), title: z.string() });

interface Namespace {
  readonly id: string;
  readonly title: string;
  readonly supports_url_encoding?: boolean;
}

function existing(accountId: string, { id, title, supports_url_encoding }: Namespace): Existing {
  return { id, state: { accountId, title, supportsUrlEncoding: supports_url_encoding } };
}

export const kvNamespace = defineKind({
  type: "cloudflare:index/workersKvNamespace:WorkersKvNamespace",
  inputs,
  replacedBy: [],
  async create(api, { accountId, title }) {
    return existing(accountId, await api.kv.namespaces.create({ account_id: accountId, title }));
  },
  async read(api, id, { accountId }) {
    return existing(accountId, await api.kv.namespaces.get(id, { account_id: accountId }));
  },
  async update(api, id, { accountId, title }) {
    const updated = await api.kv.namespaces.update(id, { account_id: accountId, title });
    // The documented answer holds no more than success, so what was asked for is what is.
    return existing(accountId, { ...updated, id, title });
  },
  async delete(api, id, { accountId }) {
    await api.kv.namespaces.delete(id, { account_id: accountId });
  },
});
