import { describe, expect, it } from "vitest";
import { asAdmin, captureLogs, faultPaths, problemOf, testHub } from "../../test/hub.ts";

captureLogs();

const erase = (id: string) =>
  testHub().fetch(`/admin/datasets/${id}`, { method: "DELETE", headers: asAdmin });

const RECEIPT = {
  id: "erasure-1",
  datasetId: "airport:ATL",
  state: "done",
  requestedAt: 1000,
  completedAt: 2000,
  hotRows: 1,
  hotRecords: 2,
  coldBlocks: 3,
  coldRecords: 4,
  deadLetters: 0,
  filesRewritten: 1,
  filesDeleted: 0,
  filesLeft: 0,
  bytesBefore: 500,
  bytesAfter: 300,
};

describe("DELETE /admin/datasets/{id}", () => {
  it("answers 200 with the receipt when everything is gone", async () => {
    for (const id of ["airport:ATL", "airport%3AATL"]) {
      const response = await erase(id);
      expect([response.status, response.headers.has("retry-after")]).toEqual([200, false]);
      expect(await response.json()).toEqual(RECEIPT);
    }
  });

  it("answers 202 with Retry-After while files are still to be rewritten", async () => {
    const response = await erase("large");
    expect([response.status, response.headers.get("retry-after")]).toEqual([202, "1"]);
    expect(await response.json()).toMatchObject({ state: "running", completedAt: null, filesLeft: 1 });
  });

  it("answers 409 with Retry-After while another run works on the archive", async () => {
    const response = await erase("busy");
    expect(response.headers.get("retry-after")).toBe("7");
    expect(await problemOf(response)).toMatchObject({
      status: 409,
      type: "urn:strata:problem:archive-busy",
    });
  });

  it("refuses an id that no dataset can have", async () => {
    for (const id of ["no%20spaces", "a%2Fb", "x".repeat(129)]) {
      const response = await erase(id);
      expect([response.status, await faultPaths(response)]).toEqual([422, ["/id"]]);
    }
  });

  it("erases nothing at an address that names no dataset", async () => {
    for (const id of ["", "..", "%2e%2e", "."]) expect((await erase(id)).status).toBe(404);
  });

  it("is the only method of that address", async () => {
    const response = await testHub().fetch("/admin/datasets/airport:ATL", { headers: asAdmin });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "DELETE"]);
  });
});

describe("GET /admin/erasures", () => {
  it("lists the receipts", async () => {
    const response = await testHub().fetch("/admin/erasures", { headers: asAdmin });
    expect(await response.json()).toEqual({ erasures: [RECEIPT] });
  });
});
