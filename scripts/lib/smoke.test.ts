import { describe, expect, it } from "vitest";
import { healthFault } from "./smoke.ts";

describe("a health answer", () => {
  const expected = { lane: "stable", versionId: "v2", knownFaults: ["CACHE: unreachable"] };
  const health = { httpStatus: 200, lane: "stable", versionId: "v2", faults: [] };

  it("is well with the lane, the version, and no other fault than before", () => {
    expect(healthFault(health, expected)).toBeNull();
    expect(healthFault({ ...health, faults: ["CACHE: unreachable"] }, expected)).toBeNull();
  });

  it("is not well from another lane, another version, or with a new fault", () => {
    expect(healthFault({ ...health, lane: "canary" }, expected)).toContain("canary");
    expect(healthFault({ ...health, versionId: "v1" }, expected)).toContain("v1");
    expect(healthFault({ ...health, faults: ["DB: unreachable"] }, expected)).toContain("DB");
  });

  it("is judged by its version alone where a former version must come back at any price", () => {
    expect(
      healthFault({ ...health, faults: ["DB: unreachable"] }, { ...expected, knownFaults: null }),
    ).toBeNull();
  });
});
