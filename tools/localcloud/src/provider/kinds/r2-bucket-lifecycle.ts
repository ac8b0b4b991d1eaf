import { z } from "zod";
import type { Api } from "../api.ts";
import { defineKind, type Existing } from "../kind.ts";

const ageCondition = z.object({ type: z.literal("Age"), maxAge: z.number().int().positive() });
const dateCondition = z.object({ type: z.literal("Date"), date: z.string() });
const condition = z.discriminatedUnion("type", [ageCondition, dateCondition]);

const rule = z.object({
  id: z.string(),
  enabled: z.boolean(),
  conditions: z.object({ prefix: z.string() }),
  abortMultipartUploadsTransition: z.object({ condition: ageCondition.exactOptional() }).exactOptional(),
  deleteObjectsTransition: z.object({ condition: condition.exactOptional() }).exactOptional(),
  storageClassTransitions: z
    .array(z.object({ condition, storageClass: z.literal("InfrequentAccess") }))
    .exactOptional(),
});

const inputs = z.object({
  accountId: z.string(),
  bucketName: z.string(),
  jurisdiction: z.enum(["default", "eu", "us", "fedramp", "fedramp-high"]).default("default"),
  rules: z.array(rule).default([]),
});

type Inputs = z.infer<typeof inputs>;

async function put(api: Api, wanted: Inputs): Promise<Existing> {
  const { accountId, bucketName, jurisdiction, rules } = wanted;
  await api.r2.buckets.lifecycle.update(bucketName, {
    account_id: accountId,
    rules,
    "cf-r2-jurisdiction": jurisdiction,
  });
  return { id: bucketName, state: { ...wanted } };
}

export const r2BucketLifecycle = defineKind({
  type: "cloudflare:index/r2BucketLifecycle:R2BucketLifecycle",
  inputs,
  replacedBy: ["bucketName", "jurisdiction"],
  create: put,
  async read(api, id, { accountId, jurisdiction }) {
    const { rules } = await api.r2.buckets.lifecycle.get(id, {
      account_id: accountId,
      "cf-r2-jurisdiction": jurisdiction,
    });
    return { id, state: { accountId, bucketName: id, jurisdiction, rules: rules ?? [] } };
  },
  async update(api, _id, wanted) {
    return put(api, wanted);
  },
  delete: "the lifecycle rules of a bucket stay as they are",
});
