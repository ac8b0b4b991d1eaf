import { describe, expect, it } from "vitest";
import type { Trace } from "../runtime/contract.ts";
import { filtersSchema, passes } from "./tail-filters.ts";

const request: Trace = {
  scriptName: "hub",
  scriptVersion: { id: "v1" },
  outcome: "ok",
  logs: [{ level: "log", message: ["stored", { rows: 2 }] }],
  exceptions: [],
  eventTimestamp: 0,
  event: {
    request: {
      url: "http://hub/",
      method: "GET",
      headers: { "x-lane": "canary", "cf-connecting-ip": "127.0.0.1" },
    },
    response: { status: 200 },
  },
};
const failed: Trace = { ...request, outcome: "exception", logs: [] };
const cron: Trace = { ...request, event: { cron: "* * * * *", scheduledTime: 0 } };

const told = (trace: Trace, ...filters: readonly unknown[]) =>
  passes(trace, filtersSchema.parse(filters), () => 0.5, "127.0.0.1");

describe("a tail's filters", () => {
  it("let everything pass where there is none", () => {
    expect([told(request), told(failed), told(cron)]).toEqual([true, true, true]);
  });

  it("choose by outcome, text of the logs and version, whatever the event", () => {
    const errors = { outcome: ["exception", "exceededCpu", "exceededMemory", "unknown"] };
    expect([told(request, errors), told(failed, errors)]).toEqual([false, true]);
    expect([told(cron, { query: '"rows":2' }), told(failed, { query: "stored" })]).toEqual([true, false]);
    expect([told(cron, { scriptVersion: "v1" }), told(cron, { scriptVersion: "v2" })]).toEqual([true, false]);
  });

  it("choose by method, header and address, and leave out what is no request", () => {
    expect([told(request, { method: ["POST", "get"] }), told(request, { method: ["POST"] })]).toEqual([
      true,
      false,
    ]);
    expect(told(request, { header: { key: "X-Lane" } })).toBe(true);
    expect(told(request, { header: { key: "X-Lane", query: "canary" } })).toBe(true);
    expect(told(request, { header: { key: "X-Lane", query: "stable" } })).toBe(false);
    expect([told(request, { client_ip: ["self"] }), told(request, { client_ip: ["10.0.0.1"] })]).toEqual([
      true,
      false,
    ]);
    expect([told(cron, { method: ["GET"] }), told(cron, { header: { key: "x-lane" } })]).toEqual([
      false,
      false,
    ]);
  });

  it("sample by rate", () => {
    expect([told(request, { sampling_rate: 0.6 }), told(request, { sampling_rate: 0.4 })]).toEqual([
      true,
      false,
    ]);
  });

  it("must all let an invocation pass", () => {
    expect(told(request, { method: ["GET"] }, { outcome: ["exception"] })).toBe(false);
  });

  it("are refused when they are no filters", () => {
    for (const wrong of [{}, { colour: "red" }, { sampling_rate: 2 }, { outcome: [] }]) {
      expect(filtersSchema.safeParse([wrong]).success).toBe(false);
    }
  });
});
