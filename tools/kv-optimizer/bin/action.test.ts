import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LAST_SYNC, TestRepository } from "../src/cli/test-repository.ts";

const repositoryRoot = path.resolve(import.meta.dirname, "../../..");
const read = (file: string): string => readFileSync(path.join(repositoryRoot, file), "utf8");
const ACTION = read("tools/kv-optimizer/action.yml");
const WORKFLOW = read(".github/workflows/kv-optimizer.yml");

describe.each([
  ["action", ACTION],
  ["workflow", WORKFLOW],
])("the %s", (_, text) => {
  const used = [...text.matchAll(/uses: (\S+)/g)].map(([, name]) => name ?? "");

  it("pins every action of others by its commit", () => {
    expect(used.length).toBeGreaterThan(0);
    for (const name of used) expect(name).toMatch(/^(\.\/tools\/kv-optimizer|[\w-]+\/[\w/-]+@[0-9a-f]{40})$/);
  });

  it("puts nothing from outside into a script's text", () => {
    const scripts = [...text.matchAll(/run: (?:\|\n((?: {8,}.*\n)+)|(.*))/g)].map(
      ([, block, line]) => block ?? line ?? "",
    );
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) expect(script).not.toContain("${{");
  });
});

describe("the workflow", () => {
  it("lets one job write, and that one to code scanning only", () => {
    expect(WORKFLOW.match(/: write/g)).toEqual([": write"]);
    expect(WORKFLOW).toContain("security-events: write");
    expect(WORKFLOW).toMatch(/^permissions: \{\}$/m);
  });

  it.each(["pull_request:", "push:", "schedule:", "workflow_dispatch:"])("runs on %s", (trigger) => {
    expect(WORKFLOW).toContain(`\n  ${trigger}`);
  });
});

interface Ended {
  readonly code: unknown;
  readonly output: string;
}

async function script(
  name: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const child = spawn("bash", [path.join(import.meta.dirname, name), ...args], {
    cwd,
    env: { PATH: `${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`, ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}

describe("the audit of the action", () => {
  let repository: TestRepository;
  beforeEach(() => {
    repository = new TestRepository();
    repository.write("src/sync.ts", LAST_SYNC);
    repository.write("kv.ndjson", '{"kv-optimizer":"baseline","version":1}\n');
  });
  afterEach(() => repository[Symbol.dispose]());

  const audited = async (inputs: Readonly<Record<string, string>>) => {
    const outputs = path.join(repository.root, "outputs");
    writeFileSync(outputs, "");
    const ended = await script("audit.sh", [], repository.root, {
      ROOT: ".",
      BASELINE: "",
      BASELINE_COMMIT: "",
      FAIL_ON: "",
      ALLOW: "0",
      FORMAT: "github",
      GITHUB_OUTPUT: outputs,
      RUNNER_TEMP: repository.root,
      ...inputs,
    });
    const lines = repository.read("outputs").matchAll(/^(\w+)=(.*)$/gm);
    const values = new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
    return { ...ended, values };
  };

  it("only reports without a baseline", async () => {
    const { code, output, values } = await audited({});
    expect(code).toBe(0);
    expect(output).toContain("file=src/sync.ts,line=2");
    expect(values.get("regression")).toBe("false");
  });

  it("fails for a regression, and has then written all that the next steps need", async () => {
    const { code, values } = await audited({
      BASELINE: "kv.ndjson",
      FAIL_ON: "new-put-no-ttl",
      ALLOW: "any",
    });
    expect(code).toBe(2);
    expect(values.get("regression")).toBe("true");
    const parsed = (name: string): unknown => JSON.parse(readFileSync(values.get(name) ?? "", "utf8"));
    expect(parsed("json")).toMatchObject({ totals: { calls: 3 } });
    expect(parsed("sarif")).toMatchObject({ version: "2.1.0" });
    expect(parsed("outcome")).toMatchObject({ ok: false });
  });

  it("ends with 1 for a baseline that is not there", async () => {
    expect((await audited({ BASELINE: "none.ndjson" })).code).toBe(1);
  });
});

describe("a notification", () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      response.end("ok");
    });
  });
  let address = "";
  let repository: TestRepository;

  beforeAll(async () => {
    repository = new TestRepository();
    const outcome = {
      against: 'commit "a\\b"',
      before: { calls: 1, puts: 1, putsWithoutTtl: 0, lists: 0 },
      after: { calls: 3, puts: 2, putsWithoutTtl: 1, lists: 0 },
      regressions: [{ file: "src/<!channel>@all.ts", line: 2, rules: ["new-put-no-ttl"] }],
    };
    repository.write("outcome.json", JSON.stringify(outcome));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const at = server.address();
    address = typeof at === "object" && at !== null ? `http://127.0.0.1:${at.port}` : "";
  });
  afterAll(() => {
    server.close();
    repository[Symbol.dispose]();
  });

  it.each([
    ["text", "/services/secret"],
    ["content", "/discord/secret"],
  ])("says in the field %s what has grown, and mentions nobody", async (field, secret) => {
    bodies.length = 0;
    const env = { KV_OPTIMIZER_WEBHOOK: `${address}${secret}` };
    const ended = await script(
      "notify.sh",
      ["outcome.json", "https://example.com/run"],
      repository.root,
      env,
    );
    expect(ended).toEqual({ code: 0, output: "ok" });
    expect(bodies.map((body): unknown => JSON.parse(body))).toEqual([
      {
        [field]: [
          'KV use has grown against commit "a\\b": calls 1 → 3, puts 1 → 2, puts without TTL 0 → 1, lists 0 → 0',
          "• src/_!channel__all.ts:2 new-put-no-ttl",
          "https://example.com/run",
        ].join("\n"),
      },
    ]);
  });

  it("keeps the address out of the arguments of every process", () => {
    const text = read("tools/kv-optimizer/bin/notify.sh");
    const [command = ""] = /^curl .*$/m.exec(text) ?? [];
    expect(command).toContain("--config -");
    expect(command).not.toContain("WEBHOOK");
  });

  it("fails without an address", async () => {
    const { code, output } = await script("notify.sh", ["outcome.json"], repository.root, {});
    expect(code).not.toBe(0);
    expect(output).toContain("KV_OPTIMIZER_WEBHOOK holds no address");
  });
});
