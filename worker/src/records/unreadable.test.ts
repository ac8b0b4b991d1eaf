import { describe, expect, it } from "vitest";
import { captureLogs, problemOf, testHub, withKey } from "../../test/hub.ts";
import type { ArchiverApi, Unreadable } from "../../../archiver/src/contract.ts";
import type { Env } from "../env.generated.ts";

captureLogs();

const WHERE = "block at 60 of flights/2026_11_22/1-2-0123456789ab.avro: checksum mismatch";

const read = (hub: ReturnType<typeof testHub>, datasetId = "airport:ATL") =>
  hub.fetch(`/read?dataset_id=${datasetId}&table=flights`, { headers: withKey });

function refusal(code: Unreadable["code"]): Promise<Response> {
  const api: Partial<ArchiverApi> = {
    read: () => Promise.resolve({ ok: false, reason: "unreadable", code, detail: WHERE }),
  };
  return read(testHub({ ARCHIVER: api as Env["ARCHIVER"] }));
}

describe("GET /read of data that cannot be read", () => {
  it.each(["block-damaged", "unknown-schema"] as const)(
    "answers 500 for %s, which block it is and how to mend it, and no time to try again",
    async (code) => {
      const response = await refusal(code);
      expect([response.status, response.headers.has("retry-after")]).toEqual([500, false]);
      const document = await problemOf(response);
      expect(document).toMatchObject({
        type: "urn:strata:problem:unreadable-data",
        title: "Stored data cannot be read",
        code,
      });
      expect(document.detail).toContain(WHERE);
      expect(document.detail).toContain("`npm run archive:verify`");
    },
  );

  it("answers 422 when a page cannot hold it, and asks for a narrower range", async () => {
    const response = await refusal("too-dense");
    expect([response.status, response.headers.has("retry-after")]).toEqual([422, false]);
    const { type, detail } = await problemOf(response);
    expect(type).toBe("urn:strata:problem:too-dense");
    expect(detail).toContain("Narrow the range");
  });

  it("answers 503 with Retry-After when an object is not there at this moment", async () => {
    const response = await refusal("object-missing");
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
    expect((await problemOf(response)).type).toBe("urn:strata:problem:object-missing");
  });

  it("carries the refusal over the call itself", async () => {
    const response = await read(testHub(), "damaged");
    expect([response.status, (await problemOf(response)).type]).toEqual([
      500,
      "urn:strata:problem:unreadable-data",
    ]);
  });
});
