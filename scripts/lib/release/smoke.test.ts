import { describe, expect, it } from "vitest";
import { EXIT } from "../exit.ts";
import type { LaneAnswer } from "../rollout/client.ts";
import { answerFaults, compareAnswers, healthFault, SmokeError, type SmokeRequest } from "./smoke.ts";

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

const answer = (change: Partial<LaneAnswer> = {}): LaneAnswer => ({
  status: 200,
  mediaType: "application/json",
  lane: "canary",
  versionId: "v2",
  body: { items: [{ id: 1, at: null }] },
  ...change,
});

describe("an answer that is compared with a good one", () => {
  const request: SmokeRequest = { path: "/tables" };

  it.each<readonly [string, Partial<LaneAnswer>]>([
    ["is the same", {}],
    ["has other values", { body: { items: [{ id: 7, at: "now" }] } }],
    ["has more fields", { body: { items: [{ id: 7, at: 1, more: 1 }], next: null } }],
    ["was made by another version", { versionId: "v3", lane: "stable" }],
  ])("is as good when it %s", (_, change) => {
    expect(answerFaults(request, answer(), answer(change))).toEqual([]);
  });

  it.each<readonly [string, Partial<LaneAnswer>, string]>([
    ["status", { status: 500 }, "GET /tables answered 500, not 200"],
    ["media type", { mediaType: "text/html" }, "GET /tables answered text/html, not application/json"],
    ["missing media type", { mediaType: "" }, "GET /tables answered no media type, not application/json"],
    ["missing field", { body: { items: [{ at: null }] } }, "GET /tables: items[].id is missing"],
    ["changed kind", { body: { items: {} } }, "GET /tables: items is of kind object, not array"],
  ])("is worse by its %s", (_, change, fault) => {
    expect(answerFaults(request, answer(), answer(change))).toEqual([fault]);
  });

  it("is compared by its status alone where that was asked for", () => {
    const byStatus: SmokeRequest = { path: "/health", method: "HEAD", compare: "status" };
    expect(answerFaults(byStatus, answer(), answer({ body: "", mediaType: "" }))).toEqual([]);
    expect(answerFaults(byStatus, answer(), answer({ status: 404 }))).toEqual([
      "HEAD /health answered 404, not 200",
    ]);
  });

  it("says nothing where the good one failed itself", () => {
    expect(answerFaults(request, answer({ status: 503 }), answer({ status: 500 }))).toEqual([]);
  });

  it("must refuse what the good one refuses", () => {
    expect(answerFaults(request, answer({ status: 401 }), answer({ status: 200 }))).toHaveLength(1);
  });
});

describe("a list of answers", () => {
  const requests: readonly SmokeRequest[] = [{ path: "/a" }, { path: "/b" }];

  it("passes when every one is as good", () => {
    expect(() => compareAnswers("It", requests, [answer(), answer()], [answer(), answer()])).not.toThrow();
  });

  it("fails as a whole, with every fault, so that the release is taken back", () => {
    const bad = [answer({ status: 500 }), answer({ status: 404 })];
    const compare = (): void => compareAnswers("The canary", requests, [answer(), answer()], bad);
    expect(compare).toThrow(SmokeError);
    expect(compare).toThrow(
      expect.objectContaining({
        exitCode: EXIT.rolledBack,
        message: "The canary: GET /a answered 500, not 200",
        hints: ["GET /b answered 404, not 200"],
      }),
    );
  });
});
