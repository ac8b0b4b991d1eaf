/** What the API may answer when it is asked for a bookmark. */
import http from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { BookmarkUnavailable, openCloudflareApi, type CloudflareApi } from "../cloudflare-api.ts";
import { EXIT } from "../exit.ts";

/** An API that gives one answer to everything, and the calls that it got. */
async function apiAnswering(
  status: number,
  body: unknown,
): Promise<{ readonly api: CloudflareApi; readonly calls: readonly string[] }> {
  const calls: string[] = [];
  const server = http.createServer((request, response) => {
    calls.push(`${request.method ?? ""} ${request.url ?? ""}`);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the API does not listen");
  const apiUrl = `http://127.0.0.1:${address.port}`;
  return { api: await openCloudflareApi({ apiUrl, accountId: "acc", apiToken: "token" }), calls };
}

const errors = (code: number, message: string) => ({
  success: false,
  result: null,
  errors: [{ code, message }],
});

describe("the bookmark of a database", () => {
  it("is what the API answers", async () => {
    const { api, calls } = await apiAnswering(200, { success: true, result: { bookmark: "0001-ff" } });
    expect(await api.timeTravelBookmark("db")).toBe("0001-ff");
    expect(calls).toEqual(["GET /accounts/acc/d1/database/db/time_travel/bookmark"]);
  });

  it.each([
    ["the API refuses", 400, errors(7500, "Time Travel is not available")],
    ["the API does not know the call", 404, errors(7003, "no route")],
    ["the answer has none", 200, { success: true, result: {} }],
  ])("is unavailable where %s", async (_, status, body) => {
    const { api } = await apiAnswering(status, body);
    await expect(api.timeTravelBookmark("db")).rejects.toBeInstanceOf(BookmarkUnavailable);
  });

  it.each([
    ["the database is gone", 404, errors(7404, "not found"), EXIT.failed],
    ["the token may not", 403, errors(10_000, "Authentication error"), EXIT.credentials],
  ])("is an error where %s", async (_, status, body, exitCode) => {
    const { api } = await apiAnswering(status, body);
    await expect(api.timeTravelBookmark("db")).rejects.toMatchObject({ exitCode });
  });
});

describe("a restore", () => {
  it("names the bookmark that undoes it", async () => {
    const result = { bookmark: "0001-ff", previous_bookmark: "0002-ee", message: "done" };
    const { api, calls } = await apiAnswering(200, { success: true, result });
    expect(await api.restoreBookmark("db", "0001-ff")).toEqual({
      bookmark: "0001-ff",
      previousBookmark: "0002-ee",
    });
    expect(calls).toEqual(["POST /accounts/acc/d1/database/db/time_travel/restore?bookmark=0001-ff"]);
  });
});
