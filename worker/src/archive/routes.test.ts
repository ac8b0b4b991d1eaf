import { describe, expect, it } from "vitest";
import { captureLogs, asAdmin, testHub } from "../../test/hub.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

describe("the archive's operations", () => {
  it("POST /admin/archive/run runs it and says what was moved", async () => {
    const response = await testHub().fetch("/admin/archive/run", { method: "POST", headers: asAdmin });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ran: true,
      files: 1,
      blocks: 1,
      records: 1,
      hotRows: 1,
      coldBytes: 100,
      remaining: 0,
    });
  });

  it("GET /admin/archive/stats says what is hot and what is cold", async () => {
    const response = await testHub().fetch("/admin/archive/stats", { headers: asAdmin });
    expect(await response.json()).toEqual({
      hot: { rows: 0, records: 0, bytes: 0 },
      cold: { files: 0, blocks: 0, records: 0, bytes: 0 },
    });
  });

  it("answer 503 when the archiver cannot be reached", async () => {
    const ARCHIVER = { archive: () => Promise.reject(new Error("gone")) } as unknown as Env["ARCHIVER"];
    const response = await testHub({ ARCHIVER }).fetch("/admin/archive/run", {
      method: "POST",
      headers: asAdmin,
    });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  });
});
