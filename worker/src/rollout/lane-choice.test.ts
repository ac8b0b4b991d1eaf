import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PHASE_SHARES, type RolloutPhase, type TrafficClass } from "./contract.ts";
import { bucketOf, BUCKETS, chooseLane, clientOf, trafficClass } from "./lane-choice.ts";
import { CLOSED_VIEW, type RolloutView } from "./view.ts";

const view = (phase: RolloutPhase, id = "rollout"): RolloutView => ({
  id,
  phase,
  shares: PHASE_SHARES[phase],
  canaryVersion: null,
});

const CLASSES: readonly TrafficClass[] = ["read", "write"];

describe("trafficClass", () => {
  it.each(["GET", "HEAD", "OPTIONS"])("%s is a read", (method) => {
    expect(trafficClass(method)).toBe("read");
  });

  it.each(["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])("%s is a write", (method) => {
    expect(trafficClass(method)).toBe("write");
  });
});

describe("clientOf", () => {
  it("takes the client's own name, else its API key, else its address, else the request", () => {
    const headers = new Headers();
    expect(clientOf(headers, "id-1")).toBe("request id-1");
    headers.set("cf-connecting-ip", "192.0.2.7");
    expect(clientOf(headers, "id-1")).toBe("address 192.0.2.7");
    headers.set("authorization", "Bearer key");
    expect(clientOf(headers, "id-1")).toBe("x-api-key key");
    headers.set("strata-client", "checkout");
    expect(clientOf(headers, "id-1")).toBe("client checkout");
  });

  it("knows a key again whichever header carries it", () => {
    const bearer = new Headers({ authorization: "Bearer key" });
    expect(clientOf(new Headers({ "x-api-key": "key" }), "1")).toBe(clientOf(bearer, "2"));
  });

  it("takes an empty name for none", () => {
    expect(clientOf(new Headers({ "strata-client": "", "x-api-key": "" }), "id-1")).toBe("request id-1");
  });
});

describe("bucketOf", () => {
  it("is a whole number from 0 to below the number of buckets, for any text", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (rollout, client) => {
        const bucket = bucketOf(rollout, client);
        expect(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS).toBe(true);
        expect(bucketOf(rollout, client)).toBe(bucket);
      }),
    );
  });

  it("spreads numbered clients evenly: chi-square of 100 cells over 100,000 clients below its 0.1 % point", () => {
    const cells = Array.from({ length: 100 }, () => 0);
    for (let client = 0; client < 100_000; client += 1) {
      const cell = Math.floor(bucketOf("rollout", `client-${client}`) / 100);
      cells[cell] = (cells[cell] ?? 0) + 1;
    }
    const chiSquare = cells.reduce((sum, seen) => sum + (seen - 1_000) ** 2 / 1_000, 0);
    expect(chiSquare).toBeLessThan(148.2);
  });

  it("draws other clients for another rollout", () => {
    const canaries = (rollout: string): number[] =>
      Array.from({ length: 10_000 }, (_, client) => client).filter(
        (client) => bucketOf(rollout, `client-${client}`) < BUCKETS / 10,
      );
    const second = new Set(canaries("second"));
    const both = canaries("first").filter((client) => second.has(client)).length;
    expect(both).toBeGreaterThan(50);
    expect(both).toBeLessThan(150);
  });
});

describe("chooseLane", () => {
  it("sends everybody to the stable lane when no rollout is active or its phase is 0", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...CLASSES), (client, traffic) => {
        expect(chooseLane(CLOSED_VIEW, traffic, client)).toBe("stable");
        expect(chooseLane(view(0), traffic, client)).toBe("stable");
      }),
    );
  });

  it("keeps a client on the canary as the phases grow, and for writes where it is for fewer reads", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string(), (rollout, client) => {
        const lane = (phase: RolloutPhase, traffic: TrafficClass) =>
          chooseLane(view(phase, rollout), traffic, client);
        for (const traffic of CLASSES) {
          const lanes = ([0, 1, 2, 3] as const).map((phase) => lane(phase, traffic));
          expect(lanes.lastIndexOf("stable")).toBeLessThan(
            lanes.includes("canary") ? lanes.indexOf("canary") : 4,
          );
        }
        expect(lane(2, "write")).toBe(lane(1, "read"));
        expect(lane(3, "read")).toBe("canary");
        expect(lane(3, "write")).toBe("canary");
      }),
    );
  });

  it("sends 10 % ± 1 point of 20,000 clients to the canary in phase 1, and no write", () => {
    const clients = Array.from({ length: 20_000 }, (_, index) => `client 192.0.2.${index}`);
    const share = (traffic: TrafficClass) =>
      clients.filter((client) => chooseLane(view(1), traffic, client) === "canary").length / clients.length;
    expect(share("read")).toBeGreaterThan(0.09);
    expect(share("read")).toBeLessThan(0.11);
    expect(share("write")).toBe(0);
  });
});
