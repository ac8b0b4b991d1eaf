/** A local cloud for tests of the program, and the calls with which they look behind Pulumi's back. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { startLocalCloud } from "../../tools/localcloud/src/index.ts";

const envelope = z.object({ result: z.unknown() });
const object = z.record(z.string(), z.unknown());

export interface TestCloud {
  readonly account: { readonly apiUrl: string; readonly accountId: string; readonly apiToken: string };
  /** The result of a GET below the account. @throws {Error} `404 …` and the like */
  get(path: string): Promise<Record<string, unknown>>;
  /** The same where the result is a list. */
  list(path: string): Promise<readonly Record<string, unknown>[]>;
  put(path: string, body: unknown): Promise<void>;
  delete(path: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a local cloud in a directory of its own, on any free port. */
export async function startTestCloud(): Promise<TestCloud> {
  const directory = await mkdtemp(path.join(tmpdir(), "strata-cloud-"));
  const cloud = await startLocalCloud({ directory, port: 0 });
  const { apiUrl, accountId, apiToken } = cloud;

  async function call(method: string, below: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${apiUrl}/accounts/${accountId}/${below}`, {
      method,
      headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) {
      throw new Error(`${response.status} ${method} ${below}: ${JSON.stringify(answer)}`);
    }
    return envelope.parse(answer).result;
  }

  return {
    account: { apiUrl, accountId, apiToken },
    get: async (below) => object.parse((await call("GET", below)) ?? {}),
    list: async (below) => z.array(object).parse(await call("GET", below)),
    put: async (below, body) => void (await call("PUT", below, body)),
    delete: async (below) => void (await call("DELETE", below)),
    async stop() {
      await cloud.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
