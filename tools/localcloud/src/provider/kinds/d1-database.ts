import { z } from "zod";
import { defineKind, type Existing } from "../kind.ts";
import { toPulumiNames } from "../naming.ts";

const inputs = z.object({
  accountId: z.string(),
  name: z.string(),
  jurisdiction: z.enum(["eu", "fedramp", "us"]).exactOptional(),
  primaryLocationHint: z.enum(["wnam", "enam", "weur", "eeur", "apac", "oc"]).exactOptional(),
  readReplication: z.object({ mode: z.enum(["auto", "disabled"]) }).exactOptional(),
});

interface Database {
  readonly uuid?: string;
}

function existing(accountId: string, database: Database, hint?: string): Existing {
  if (database.uuid === undefined) {
    throw new Error("the API described a D1 database without its uuid");
  }
  return {
    id: database.uuid,
    state: { ...toPulumiNames(database), accountId, primaryLocationHint: hint },
  };
}

export const d1Database = defineKind({
  type: "cloudflare:index/d1Database:D1Database",
  inputs,
  replacedBy: ["name", "jurisdiction", "primaryLocationHint"],
  async create(api, { accountId, name, jurisdiction, primaryLocationHint, readReplication }) {
    const created = await api.d1.database.create({
      account_id: accountId,
      name,
      ...(jurisdiction && { jurisdiction }),
      ...(primaryLocationHint && { primary_location_hint: primaryLocationHint }),
      ...(readReplication && { read_replication: readReplication }),
    });
    return existing(accountId, created, primaryLocationHint);
  },
  async read(api, id, { accountId, primaryLocationHint }) {
    return existing(accountId, await api.d1.database.get(id, { account_id: accountId }), primaryLocationHint);
  },
  async update(api, id, { accountId, primaryLocationHint, readReplication }) {
    const updated = await api.d1.database.update(id, {
      account_id: accountId,
      read_replication: readReplication ?? { mode: "disabled" },
    });
    return existing(accountId, updated, primaryLocationHint);
  },
  async delete(api, id, { accountId }) {
    await api.d1.database.delete(id, { account_id: accountId });
  },
});
