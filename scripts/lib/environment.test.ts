import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { byWorker, defaultSettings } from "../../infra/topology.ts";
import { apiError } from "./cloudflare-client.ts";
import { hintsOf, openContext, openEnvironment } from "./environment.ts";
import type { CliError } from "./exit.ts";
import { writeLocalCloud } from "./local-state.ts";
import { placeholderIds } from "./render.ts";
import { failure } from "./test/released.ts";
import { temporaryDirectory } from "./test/temporary.ts";

const ACCOUNT = {
  apiUrl: "http://127.0.0.1:20000/client/v4",
  accountId: "0123456789abcdef0123456789abcdef",
  apiToken: "token",
};
/** No process has it: the kernel's highest is far below. */
const DEAD_PID = 2 ** 30;

const startRehearsal = (root: string, pid: number): Promise<void> =>
  writeLocalCloud(path.join(root, ".strata", "rehearsal"), {
    ...ACCOUNT,
    urls: byWorker((worker) => `http://${worker}.test`),
    pid,
  });

const open = (root: string, env: NodeJS.ProcessEnv = {}): Promise<CliError> =>
  failure(openEnvironment({ root, environment: "local", env }));

describe("the wrangler configs", () => {
  it("carry the settings that the stack was brought up with, not the defaults", async () => {
    const root = await temporaryDirectory();
    const settings = { ...defaultSettings("staging"), hotWindowSeconds: 60, coldExpiryDays: null };
    const { configs, topology } = await openContext({
      root,
      environment: "staging",
      provisioned: { ...placeholderIds(), settings },
      account: ACCOUNT,
      secrets: {},
    });
    expect(JSON.parse(await readFile(configs.archiver, "utf8"))).toMatchObject({
      vars: { HOT_WINDOW_SECONDS: "60", COLD_EXPIRY_DAYS: "never" },
    });
    expect(topology.settings).toEqual(settings);
  });
});

describe("where no local cloud runs", () => {
  it("a rehearsal that runs is pointed out, with the way to reach it", async () => {
    const root = await temporaryDirectory();
    await startRehearsal(root, process.pid);
    const error = await open(root);
    expect(error.message).toBe("No local cloud is running");
    expect(error.hints[0]).toBe("A rehearsal is running: export STRATA_STATE_DIRECTORY=.strata/rehearsal");
  });

  it("a rehearsal is not spoken of when it has ended, or when a state directory was chosen", async () => {
    const root = await temporaryDirectory();
    expect((await open(root)).hints.join()).not.toContain("rehearsal is running");
    await startRehearsal(root, DEAD_PID);
    expect((await open(root)).hints.join()).not.toContain("rehearsal is running");
    await startRehearsal(root, process.pid);
    const chosen = await open(root, { STRATA_STATE_DIRECTORY: "other" });
    expect(chosen.hints.join()).not.toContain("rehearsal is running");
  });
});

describe("an answer that a database could not be found", () => {
  const answer = (code: number) =>
    apiError(
      Object.assign(new Error("404"), { status: 404, errors: [{ code, message: "could not be found" }] }),
      ACCOUNT,
      "POST /d1/database/1/query",
    );

  it("says how to provision again", () => {
    expect(hintsOf(answer(7404), "local").at(-1)).toContain("provision again: restart npm run dev");
    expect(hintsOf(answer(7404), "staging").at(-1)).toContain("npx pulumi up --refresh --stack staging");
  });

  it("is the only one that does", () => {
    const other = answer(10_007);
    expect(hintsOf(other, "local")).toEqual(other.hints);
  });
});
