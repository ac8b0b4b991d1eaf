import { describe, expect, it } from "vitest";
import { captureLogs, testHub } from "../../../test/hub.ts";
import { createRouter } from "../../http/index.ts";
import { FakeRollout, stableHub } from "../../../test/lanes.ts";
import { OTHER_ROUTE, routePattern } from "./route-pattern.ts";

captureLogs();

/** The pattern that a middleware sees before the handler has run. */
async function patternOf(method: string, path: string): Promise<string> {
  let seen = "";
  const app = createRouter();
  const part = createRouter();
  app.use(async (c, next) => {
    seen = routePattern(c);
    await next();
  });
  app.use("/files/*", async (_c, next) => await next());
  part.use("/files/:id", async (_c, next) => await next());
  part.get("/files/newest", (c) => c.text("newest"));
  part.get("/files/:id", (c) => c.text("file"));
  part.get("/files", (c) => c.text("files"));
  part.post("/files", (c) => c.text("filed"));
  app.route("/", part);
  await app.request(path, { method });
  return seen;
}

describe("routePattern", () => {
  it.each([
    ["GET", "/files/17", "/files/:id"],
    ["HEAD", "/files/18", "/files/:id"],
    ["GET", "/files/newest", "/files/newest"],
    ["GET", "/files", "/files"],
    ["POST", "/files?x=1", "/files"],
    ["DELETE", "/files/17", "/files/:id"],
    ["DELETE", "/files", OTHER_ROUTE],
    ["GET", "/files/17/rows", OTHER_ROUTE],
    ["GET", "/", OTHER_ROUTE],
  ])("of %s %s is %s", async (method, path, pattern) => {
    expect(await patternOf(method, path)).toBe(pattern);
  });

  it("names every route of the hub, and any number of unknown addresses as one", async () => {
    const rollout = new FakeRollout();
    const hub = stableHub(rollout, () => new Response("ok"));
    const document = await (await testHub().fetch("/openapi.json")).json<{ paths: Record<string, object> }>();
    const paths = Object.keys(document.paths).filter((path) => !path.startsWith("/admin"));
    expect(paths).toContain("/read");
    for (const path of paths) await hub.fetch(path);
    for (let index = 0; index < 30; index += 1) await hub.fetch(`/nowhere/${index}`);
    const counted = rollout.series("canary").map(({ route, requests }) => [route, requests]);
    expect(Object.fromEntries(counted)).toMatchObject({ "/read": 1, "/health": 1, other: 30 });
    expect(counted.length).toBeLessThanOrEqual(paths.length + 1);
  });
});
