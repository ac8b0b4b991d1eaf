import { z } from "zod";
import { defineKind, type Existing } from "../kind.ts";

const JURISDICTIONS = ["default", "eu", "us", "fedramp", "fedramp-high"] as const;

const inputs = z.object({
  accountId: z.string(),
  name: z.string(),
  jurisdiction: z.enum(JURISDICTIONS).default("default"),
  /** The API answers in capitals and takes either. */
  location: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["apac", "eeur", "enam", "weur", "wnam", "oc"]))
    .exactOptional(),
  storageClass: z.enum(["Standard", "InfrequentAccess"]).default("Standard"),
});

interface Bucket {
  readonly name?: string;
  readonly creation_date?: string;
  readonly location?: string;
  readonly storage_class?: string;
}

function existing(
  { accountId, name, jurisdiction, location, storageClass }: z.infer<typeof inputs>,
  bucket: Bucket,
): Existing {
  return {
    id: bucket.name ?? name,
    state: {
      accountId,
      name: bucket.name ?? name,
      jurisdiction,
      location: bucket.location ?? location,
      storageClass: bucket.storage_class ?? storageClass,
      creationDate: bucket.creation_date,
    },
  };
}

export const r2Bucket = defineKind({
  type: "cloudflare:index/r2Bucket:R2Bucket",
  inputs,
  replacedBy: ["name", "jurisdiction", "location"],
  async create(api, wanted) {
    const { accountId, name, jurisdiction, location, storageClass } = wanted;
    const created = await api.r2.buckets.create({
      account_id: accountId,
      name,
      storageClass,
      ...(location && { locationHint: location }),
      ...(jurisdiction !== "default" && { "cf-r2-jurisdiction": jurisdiction }),
    });
    return existing(wanted, created);
  },
  async read(api, id, known) {
    const found = await api.r2.buckets.get(id, {
      account_id: known.accountId,
      "cf-r2-jurisdiction": known.jurisdiction,
    });
    return existing(known, found);
  },
  async update(api, id, wanted) {
    const updated = await api.r2.buckets.edit(id, {
      account_id: wanted.accountId,
      storage_class: wanted.storageClass,
      "cf-r2-jurisdiction": wanted.jurisdiction,
    });
    return existing(wanted, updated);
  },
  async delete(api, id, { accountId, jurisdiction }) {
    await api.r2.buckets.delete(id, { account_id: accountId, "cf-r2-jurisdiction": jurisdiction });
  },
});
