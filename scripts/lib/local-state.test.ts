import { mkdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { byWorker } from "../../infra/topology.ts";
import { EXIT } from "./exit.ts";
import {
  localSecrets,
  readLocalCloud,
  removeLocalCloud,
  stateDirectory,
  writeLocalCloud,
  type LocalCloud,
} from "./local-state.ts";
import { temporaryDirectory } from "./test/temporary.ts";

const CLOUD: LocalCloud = {
  apiUrl: "http://127.0.0.1:20000/client/v4",
  accountId: "0123456789abcdef0123456789abcdef",
  apiToken: "token",
  urls: byWorker((worker) => `http://${worker}.test`),
  pid: process.pid,
};

/** No process has it: the kernel's highest is far below. */
const DEAD_PID = 2 ** 30;

const mode = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

describe("the file of the running local cloud", () => {
  it("is read as it was written, and belongs to its owner alone", async () => {
    const state = await temporaryDirectory();
    await writeLocalCloud(state, CLOUD);
    expect(await readLocalCloud(state)).toEqual(CLOUD);
    expect(await mode(path.join(state, "local", "cloud.json"))).toBe(0o600);
  });

  it("says that no local cloud runs when there is none, when it stopped, and when it was killed", async () => {
    const state = await temporaryDirectory();
    const refusal = { exitCode: EXIT.failed, message: "No local cloud is running" };
    await expect(readLocalCloud(state)).rejects.toMatchObject(refusal);
    await writeLocalCloud(state, CLOUD);
    await removeLocalCloud(state);
    await expect(readLocalCloud(state)).rejects.toMatchObject(refusal);
    await writeLocalCloud(state, { ...CLOUD, pid: DEAD_PID });
    await expect(readLocalCloud(state)).rejects.toMatchObject(refusal);
  });

  it("is refused with every fault when it is damaged", async () => {
    const state = await temporaryDirectory();
    await mkdir(path.join(state, "local"));
    const file = path.join(state, "local", "cloud.json");
    await writeFile(file, "{");
    await expect(readLocalCloud(state)).rejects.toMatchObject({ message: `${file} cannot be read` });
    await writeFile(file, JSON.stringify({ ...CLOUD, accountId: "x" }));
    await expect(readLocalCloud(state)).rejects.toMatchObject({
      hints: [expect.stringContaining("accountId"), expect.anything()],
    });
  });
});

describe("local secrets", () => {
  it("are made once, kept, and readable by their owner only", async () => {
    const state = await temporaryDirectory();
    const first = await localSecrets(state, ["ADMIN_TOKEN"]);
    const second = await localSecrets(state, ["ADMIN_TOKEN", "BOOTSTRAP_API_KEY"]);
    expect(second["ADMIN_TOKEN"]).toBe(first["ADMIN_TOKEN"]);
    expect(second["BOOTSTRAP_API_KEY"]).not.toBe(second["ADMIN_TOKEN"]);
    expect(await mode(path.join(state, "local", "secrets.json"))).toBe(0o600);
  });

  it.each([
    ["no JSON", "{"],
    ["no names with values", '{"ADMIN_TOKEN":1}'],
  ])("are refused with the file's name when it holds %s", async (_, text) => {
    const state = await temporaryDirectory();
    const file = path.join(state, "local", "secrets.json");
    await mkdir(path.dirname(file));
    await writeFile(file, text);
    await expect(localSecrets(state, ["ADMIN_TOKEN"])).rejects.toMatchObject({
      exitCode: EXIT.failed,
      message: `${file} cannot be read`,
    });
  });
});

describe("the state directory", () => {
  it("is .strata in the repository unless it is chosen", () => {
    expect(stateDirectory("/repo", {})).toBe("/repo/.strata");
    expect(stateDirectory("/repo", { STRATA_STATE_DIRECTORY: "" })).toBe("/repo/.strata");
    expect(stateDirectory("/repo", { STRATA_STATE_DIRECTORY: "other" })).toBe("/repo/other");
  });
});
