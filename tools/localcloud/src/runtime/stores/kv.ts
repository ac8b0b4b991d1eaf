import { z } from "zod";
import { type KvAccess, StoreRefusal } from "../contract.ts";
import { asciiJson } from "./ascii-json.ts";
import type { StoreClient } from "./store-client.ts";

const listSchema = z.object({
  keys: z.array(
    z.object({ name: z.string(), expiration: z.number().optional(), metadata: z.string().optional() }),
  ),
  cursor: z.string().optional(),
});

/** Access to one namespace, over the interface that a Worker's KV binding uses. */
export function openKv(namespaceId: string, store: StoreClient): KvAccess {
  const open = async (method: string, key: string, query: URLSearchParams, init: object = {}) => {
    query.set("urlencoded", "true");
    const path = `${encodeURIComponent(key)}?${query}`;
    return await store("KV", namespaceId, path, { method, ...init });
  };
  return {
    async get(key) {
      const response = await open("GET", key, new URLSearchParams());
      const value = await response.arrayBuffer();
      if (response.status === 404) return null;
      expectOk(response, value);
      const metadata = response.headers.get("cf-kv-metadata");
      const expiration = response.headers.get("cf-expiration");
      return {
        value,
        metadata: metadata === null ? null : (JSON.parse(utf8Header(metadata)) as unknown),
        ...(expiration === null ? {} : { expiration: Number(expiration) }),
      };
    },
    async put(key, value, { expiration, expirationTtl, metadata }) {
      const query = new URLSearchParams();
      if (expiration !== undefined) query.set("expiration", String(expiration));
      if (expirationTtl !== undefined) query.set("expiration_ttl", String(expirationTtl));
      const headers = metadata === undefined ? {} : { "cf-kv-metadata": asciiJson(metadata) };
      const response = await open("PUT", key, query, { headers, body: value });
      expectOk(response, await response.arrayBuffer());
    },
    async delete(key) {
      const response = await open("DELETE", key, new URLSearchParams());
      expectOk(response, await response.arrayBuffer());
    },
    async list({ prefix, cursor, limit }) {
      const query = new URLSearchParams({ key_count_limit: String(limit ?? 1000) });
      if (prefix !== undefined) query.set("prefix", prefix);
      if (cursor !== undefined) query.set("cursor", cursor);
      const response = await store("KV", namespaceId, `?${query}`, { method: "GET" });
      const body = await response.arrayBuffer();
      expectOk(response, body);
      const page = listSchema.parse(JSON.parse(new TextDecoder().decode(body)));
      const keys = page.keys.map(({ name, expiration, metadata }) => ({
        name,
        ...(expiration === undefined ? {} : { expiration }),
        ...(metadata === undefined ? {} : { metadata: JSON.parse(metadata) as unknown }),
      }));
      return { keys, cursor: page.cursor ?? null };
    },
  };
}

/** A header's bytes, which HTTP reads as Latin-1, read as the UTF-8 that they are. */
function utf8Header(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}

/** @throws {StoreRefusal} with the simulator's sentence when it refuses a key, a value or an expiry. */
function expectOk(response: Response, body: ArrayBuffer): void {
  if (response.ok) return;
  const reason = new TextDecoder().decode(body) || response.statusText;
  throw response.status < 500 ? new StoreRefusal(reason) : new Error(reason);
}
