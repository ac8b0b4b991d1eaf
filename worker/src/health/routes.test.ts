import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { canaryHub, captureLogs, testHub } from "../../test/hub.ts";
import type { Env } from "../env.generated.ts";
import { checkBindings } from "./checks.ts";

const logLines = captureLogs();

const SECRET_DETAIL = "reset because its code was updated at 10.0.0.7";

/** A binding whose every method fails, in the platform's own words. */
function broken(): never {
  const fail = () => {
    throw new Error(SECRET_DETAIL);
  };
  return new Proxy({}, { get: () => fail }) as never;
}

const BINDINGS = ["CACHE", "SNAPSHOTS", "DB", "MEDIA", "ARCHIVER", "ROLLOUT"] as const;

describe("GET /health", () => {
  it("answers 200 with version, lane, environment and each binding", async () => {
    const response = await testHub().fetch("/health");
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      status: "ok",
      version: { id: env.VERSION.id, tag: env.VERSION.tag },
      lane: "stable",
      environment: "local",
      bindings: Object.fromEntries(BINDINGS.map((name) => [name, "ok"])),
    });
  });

  it.each(BINDINGS)(
    "answers 503 with the same body when %s cannot be reached, and tells only the log why",
    async (name) => {
      const response = await testHub({ [name]: broken() }).fetch("/health");
      expect(response.status).toBe(503);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({
        status: "degraded",
        lane: "stable",
        bindings: { [name]: "unreachable" },
      });
      expect(text).not.toContain(SECRET_DETAIL);
      expect(
        logLines.some((line) => line.includes(`"binding":"${name}"`) && line.includes(SECRET_DETAIL)),
      ).toBe(true);
    },
  );

  it("names the bindings that the archiver itself cannot reach", async () => {
    const health = { version: { id: "v", tag: "t" }, bindings: { DB: "ok", COLD: "timeout" }, tables: [] };
    const ARCHIVER = { health: () => Promise.resolve(health) } as unknown as Env["ARCHIVER"];
    const response = await testHub({ ARCHIVER }).fetch("/health");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ bindings: { ARCHIVER: "degraded: COLD" } });
  });

  it("does not wait for a binding that never answers", async () => {
    const MEDIA = { head: () => new Promise(() => {}) } as unknown as R2Bucket;
    expect(await checkBindings({ ...env, MEDIA }, 20)).toMatchObject({
      MEDIA: "timed out after 20 ms",
      DB: "ok",
    });
  });

  it("of the canary has no rollout object to reach", async () => {
    const response = await canaryHub().fetch("/health");
    expect(response.status).toBe(200);
    const { lane, bindings } = await response.json<{ lane: string; bindings: object }>();
    expect(lane).toBe("canary");
    expect(Object.keys(bindings)).toEqual(["CACHE", "SNAPSHOTS", "DB", "MEDIA", "ARCHIVER"]);
  });
});

describe("GET /", () => {
  it("says what this is, and every link leads somewhere", async () => {
    const { service, links } = await (
      await testHub().fetch("/")
    ).json<{ service: string; links: Record<string, string> }>();
    expect(service).toBe("strata hub");
    for (const path of Object.values(links)) expect((await testHub().fetch(path)).status).not.toBe(404);
  });
});
