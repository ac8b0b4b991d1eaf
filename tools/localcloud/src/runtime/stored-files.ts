/** The files in which Miniflare's simulators keep a store, by the ids of the Durable Objects behind them. */
import { createHash, createHmac } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { objectKey } from "./worker-options.ts";

const D1_KEY = "miniflare-D1DatabaseObject";

/**
 * The id of a named Durable Object as workerd derives it (workerd's actor-id-impl.c++):
 * the name's HMAC under the namespace's key, and the HMAC of that, 16 bytes each.
 */
export function objectIdFromName(uniqueKey: string, name: string): string {
  const key = createHash("sha256").update(uniqueKey).digest();
  const nameHmac = createHmac("sha256", key).update(name).digest().subarray(0, 16);
  const check = createHmac("sha256", key).update(nameHmac).digest().subarray(0, 16);
  return Buffer.concat([nameHmac, check]).toString("hex");
}

function objectFile(directory: string, uniqueKey: string, name: string): string {
  return join(directory, uniqueKey, `${objectIdFromName(uniqueKey, name)}.sqlite`);
}

/** The SQLite file of a database. @param storage the engine's storage directory. */
export function d1File(storage: string, databaseId: string): string {
  return objectFile(join(storage, "d1"), D1_KEY, databaseId);
}

async function removeFile(file: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

/** @param storage the engine's storage directory. */
export async function removeD1(storage: string, databaseId: string): Promise<void> {
  await removeFile(d1File(storage, databaseId));
}

/** @param storage the engine's storage directory. */
export async function removeKv(storage: string, namespaceId: string): Promise<void> {
  await removeFile(objectFile(join(storage, "kv"), "miniflare-KVNamespaceObject", namespaceId));
  await rm(join(storage, "kv", namespaceId), { recursive: true, force: true });
}

/** Removes the objects of all Durable Object classes of a script. @param storage the engine's storage directory. */
export async function removeObjects(storage: string, scriptName: string): Promise<void> {
  const directory = join(storage, "do");
  const prefix = objectKey(scriptName, "");
  for (const name of await readdir(directory).catch(() => [])) {
    // A class name has no dash, so what follows the prefix tells `a` + `b-C` from `a-b` + `C`.
    if (!name.startsWith(prefix) || name.slice(prefix.length).includes("-")) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
}
