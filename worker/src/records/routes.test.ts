import { describe, expect, it } from "vitest";
import { captureLogs, testHub, withKey } from "../../test/hub.ts";

captureLogs();

describe("GET /tables", () => {
  it("lists the tables that take records", async () => {
    const response = await testHub().fetch("/tables", { headers: withKey });
    expect(await response.json()).toEqual({ tables: ["flights"] });
  });

  it("is for holders of a key", async () => {
    expect((await testHub().fetch("/tables")).status).toBe(401);
  });
});
