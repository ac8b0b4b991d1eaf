import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HttpClass } from "../contract.ts";
import { CLOSED_VIEW, type RolloutView } from "../view.ts";
import {
  BUCKETS,
  chooseLane,
  CLIENT_GROUPS,
  clientBucket,
  clientGroup,
  clientOf,
  trafficClass,
} from "./lane-choice.ts";

const view = (read: number, write = 0, id = "rollout"): RolloutView => ({
  id,
  phase: 1,
  shares: { read, write, background: 0 },
  mirrorReads: 0,
  canaryVersion: null,
  fallbackReads: true,
  overdueMs: 3_000,
});

const CLASSES: readonly HttpClass[] = ["read", "write"];

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

describe("clientBucket", () => {
  it("is a whole number from 0 to below the number of buckets, for any text", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (rollout, client) => {
        const bucket = clientBucket(rollout, client);
        expect(Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS).toBe(true);
        expect(clientBucket(rollout, client)).toBe(bucket);
      }),
    );
  });

  it("spreads numbered clients evenly: chi-square of 100 cells over 100,000 clients below its 0.1 % point", () => {
    const cells = Array.from({ length: 100 }, () => 0);
    for (let client = 0; client < 100_000; client += 1) {
      const cell = Math.floor(clientBucket("rollout", `client-${client}`) / 100);
      cells[cell] = (cells[cell] ?? 0) + 1;
    }
    const chiSquare = cells.reduce((sum, seen) => sum + (seen - 1_000) ** 2 / 1_000, 0);
    expect(chiSquare).toBeLessThan(148.2);
  });

  it("draws other clients for another rollout", () => {
    const canaries = (rollout: string): number[] =>
      Array.from({ length: 10_000 }, (_, client) => client).filter(
        (client) => clientBucket(rollout, `client-${client}`) < BUCKETS / 10,
      );
    const second = new Set(canaries("second"));
    const both = canaries("first").filter((client) => second.has(client)).length;
    expect(both).toBeGreaterThan(50);
    expect(both).toBeLessThan(150);
  });
});

describe("clientGroup", () => {
  const names = Array.from({ length: 6_400 }, (_, index) => `client ${index}`);

  it("is the same for a client every time, and spreads clients over all groups", () => {
    const counts = new Map<number, number>();
    for (const name of names) {
      const group = clientGroup(name);
      expect(clientGroup(name)).toBe(group);
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: CLIENT_GROUPS }, (_, index) => index),
    );
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(80);
  });

  it("has nothing to do with the bucket: a tenth of the clients is of all groups", () => {
    const few = names.filter((name) => clientBucket("rollout", name) < BUCKETS / 10);
    expect(new Set(few.map(clientGroup)).size).toBe(CLIENT_GROUPS);
  });
});

describe("chooseLane", () => {
  it("sends everybody to the stable lane when no rollout is active or the class has no share", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...CLASSES), (client, traffic) => {
        expect(chooseLane(CLOSED_VIEW, traffic, client)).toBe("stable");
        expect(chooseLane(view(0), traffic, client)).toBe("stable");
      }),
    );
  });

  it("keeps a client on the canary as shares grow, and for writes where they have the reads' share", () => {
    const share = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.uuid(), fc.string(), share, share, (rollout, client, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const lane = (read: number, write: number, traffic: HttpClass) =>
          chooseLane(view(read, write, rollout), traffic, client);
        expect([lane(less, 0, "read"), lane(more, 0, "read")]).not.toEqual(["canary", "stable"]);
        expect(lane(less, less, "write")).toBe(lane(less, 0, "read"));
        for (const traffic of CLASSES) expect(lane(100, 100, traffic)).toBe("canary");
      }),
    );
  });

  it("sends 10 % ± 1 point of 20,000 clients' reads to the canary when that is their share, and no write", () => {
    const clients = Array.from({ length: 20_000 }, (_, index) => `client 192.0.2.${index}`);
    const share = (traffic: HttpClass) =>
      clients.filter((client) => chooseLane(view(10), traffic, client) === "canary").length / clients.length;
    expect(share("read")).toBeGreaterThan(0.09);
    expect(share("read")).toBeLessThan(0.11);
    expect(share("write")).toBe(0);
  });
});
