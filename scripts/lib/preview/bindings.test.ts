import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { topology, WORKER_KEYS } from "../../../infra/topology.ts";
import { bindingSchema, bindingTarget, type VersionBinding } from "../binding-targets.ts";
import { placeholderIds } from "../render.ts";
import { temporaryDirectory } from "../test/temporary.ts";
import { bindingChanges, varChanges } from "./bindings.ts";
import { bundleSize } from "./bundle-size.ts";

const wanted = topology("staging");
const ids = placeholderIds();

/** Bindings as the API lists them. */
const listed = (...bindings: readonly Readonly<Record<string, string>>[]): readonly VersionBinding[] =>
  bindings.map((binding) => bindingTarget(bindingSchema.parse(binding)));

/** What the API lists of a version of the archiver that is as the topology wants it. */
const ARCHIVER = [
  { name: "DB", type: "d1", id: ids.d1.archive },
  { name: "COLD", type: "r2_bucket", bucket_name: "strata-cold-staging" },
  { name: "INGEST", type: "queue", queue_name: "strata-ingest-staging" },
  { name: "DEAD_LETTERS", type: "queue", queue_name: "strata-ingest-dlq-staging" },
  { name: "VERSION", type: "version_metadata" },
  {
    name: "CANARY",
    type: "service",
    service: "strata-archiver-canary-staging",
    entrypoint: "BackgroundWork",
  },
  { name: "ADMIN_TOKEN", type: "secret_text" },
  ...Object.entries(wanted.workers.archiver.vars).map(([name, text]) => ({ name, type: "plain_text", text })),
] as const;

const changesOf = (present: readonly VersionBinding[] | null) =>
  bindingChanges(wanted, "archiver", ids, present);

describe("the bindings that a release changes", () => {
  it("are none when the version that serves has the topology's; secrets and variables are no bindings", () => {
    expect(changesOf(listed(...ARCHIVER))).toEqual([]);
  });

  it("are all of them before the first release", () => {
    for (const worker of WORKER_KEYS) {
      const names = bindingChanges(wanted, worker, ids, null).map(({ name, change }) => [name, change]);
      const expected = wanted.workers[worker].bindings.map(({ name }) => [name, "added"]);
      expect(names).toEqual(expected.toSorted());
    }
  });

  it("are told with what they were and what they will be", () => {
    const present = ARCHIVER.filter(({ name }) => name !== "INGEST" && name !== "CANARY" && name !== "DB");
    const changes = changesOf(
      listed(
        ...present,
        { name: "DB", type: "d1", id: "another" },
        { name: "CANARY", type: "service", service: "strata-archiver-canary-staging", entrypoint: "Other" },
        { name: "OLD", type: "kv_namespace", namespace_id: "1" },
      ),
    );
    expect(changes).toEqual([
      {
        name: "CANARY",
        change: "changed",
        from: "service strata-archiver-canary-staging Other",
        to: "service strata-archiver-canary-staging BackgroundWork",
      },
      { name: "DB", change: "changed", from: "d1 another", to: `d1 ${ids.d1.archive}` },
      { name: "INGEST", change: "added", from: null, to: "queue strata-ingest-staging" },
      { name: "OLD", change: "removed", from: "kv_namespace 1", to: null },
    ]);
  });

  it("show another class behind a Durable Object's name", () => {
    const present = listed({
      name: "ROLLOUT",
      type: "durable_object_namespace",
      class_name: "Former",
      namespace_id: "1",
    });
    expect(bindingChanges(wanted, "hub", ids, present)).toContainEqual({
      name: "ROLLOUT",
      change: "changed",
      from: "durable_object_namespace Former",
      to: "durable_object_namespace RolloutController",
    });
  });
});

describe("the variables that a release changes", () => {
  it("are told with their texts", () => {
    const present = ARCHIVER.filter(({ name }) => name !== "GENERIC_TABLES" && name !== "COLD_EXPIRY_DAYS");
    const changed = { name: "COLD_EXPIRY_DAYS", type: "plain_text", text: "7" };
    const former = { name: "FORMER", type: "plain_text", text: "" };
    expect(varChanges(wanted, "archiver", listed(...present, changed, former))).toEqual([
      { name: "COLD_EXPIRY_DAYS", change: "changed", from: "7", to: "30" },
      { name: "FORMER", change: "removed", from: "", to: null },
      { name: "GENERIC_TABLES", change: "added", from: null, to: "refuse" },
    ]);
    expect(varChanges(wanted, "archiver", listed(...ARCHIVER))).toEqual([]);
  });
});

describe("the size of a bundle", () => {
  it("counts every module, below folders too, and no source map", async () => {
    const directory = await temporaryDirectory();
    await mkdir(path.join(directory, "parts"));
    const modules = { "index.js": "export default {};".repeat(100), "parts/a.wasm": "\0asm".repeat(50) };
    for (const [name, text] of Object.entries(modules)) await writeFile(path.join(directory, name), text);
    await writeFile(path.join(directory, "index.js.map"), "{}".repeat(1_000));
    const size = await bundleSize("r-1", path.join(directory, "index.js"));
    const texts = Object.values(modules);
    expect(size).toEqual({
      tag: "r-1",
      bytes: texts.join("").length,
      gzipBytes: texts.reduce((sum, text) => sum + gzipSync(text).length, 0),
    });
  });
});
