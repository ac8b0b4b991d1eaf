import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkSchemas, publishSchemas } from "../check-schemas.ts";
import { renderSchemas } from "../render-schemas.ts";

let root = "";
let folder = "";
let module = "";

const TIME = { name: "time", type: { type: "long", logicalType: "timestamp-millis" } };
const reading = (...fields: readonly unknown[]) => ({
  type: "record",
  name: "Reading",
  fields: [TIME, ...fields],
});
const COUNT = { name: "count", type: "int" };
const UNIT = { name: "unit", type: "string", default: "m" };

async function put(file: string, content: unknown): Promise<void> {
  const target = path.join(folder, file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, typeof content === "string" ? content : JSON.stringify(content));
}

const render = async (): Promise<void> => writeFile(module, await renderSchemas(folder));

/** A folder with two published versions of one table, and nothing wrong. */
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "strata-schemas-"));
  folder = path.join(root, "schemas");
  module = path.join(root, "schemas.generated.ts");
  await put("published.json", {});
  await put("readings/v1.avsc", reading(COUNT));
  await put("readings/v2.avsc", reading(COUNT, UNIT));
  await render();
  await publishSchemas(folder, module);
});

afterEach(() => rm(root, { recursive: true }));

async function faults(): Promise<readonly string[]> {
  const check = await checkSchemas(folder, module);
  return [...check.faults, ...check.unpublished.map((version) => `unpublished ${version}`)];
}

describe("the schema files of this repository", () => {
  it("have no fault, and every version is published", async () => {
    expect(await checkSchemas()).toEqual({ faults: [], unpublished: [] });
  });
});

describe("the check of schema files", () => {
  it("finds nothing where nothing is wrong, whatever documentation says", async () => {
    expect(await faults()).toEqual([]);
    await put("readings/v2.avsc", { ...reading({ doc: "how many", ...COUNT }, UNIT), doc: "A reading." });
    await render();
    expect(await faults()).toEqual([]);
  });

  it("says which version is not published yet, and publishing adds it", async () => {
    await put("readings/v3.avsc", reading({ ...COUNT, type: "long" }, UNIT));
    await render();
    expect(await faults()).toEqual(["unpublished readings/v3"]);
    expect(await publishSchemas(folder, module)).toEqual({ faults: [], unpublished: ["readings/v3"] });
    expect(await faults()).toEqual([]);
  });

  it.each([
    ["a default", reading(COUNT, { ...UNIT, default: "km" })],
    ["an alias", reading(COUNT, { ...UNIT, aliases: ["measure"] })],
    ["a type", reading({ ...COUNT, type: "long" }, UNIT)],
    ["a logical type", reading(COUNT, { ...UNIT, type: { type: "string", logicalType: "uuid" } })],
  ])("finds a published version in which %s was changed, and does not publish it", async (_, changed) => {
    const before = await readFile(path.join(folder, "published.json"), "utf8");
    await put("readings/v2.avsc", changed);
    await render();
    const fault = [
      "schemas/readings/v2.avsc: was published and has changed; put the change into a new version",
    ];
    expect(await faults()).toEqual(fault);
    expect((await publishSchemas(folder, module)).faults).toEqual(fault);
    expect(await readFile(path.join(folder, "published.json"), "utf8")).toBe(before);
  });

  it("finds a published version that was removed, and a whole table", async () => {
    await rm(path.join(folder, "readings/v2.avsc"));
    await render();
    const gone = "was published and is gone; records that were written in it need it";
    expect(await faults()).toEqual([`schemas/readings/v2.avsc: ${gone}`]);
    await rm(path.join(folder, "readings"), { recursive: true });
    await render();
    expect(await faults()).toEqual([
      `schemas/readings/v1.avsc: ${gone}`,
      `schemas/readings/v2.avsc: ${gone}`,
    ]);
  });

  it("finds a version that cannot read the one before it, and one that cannot read a still older one", async () => {
    await put("readings/v3.avsc", reading(COUNT, UNIT, { name: "place", type: "string" }));
    await render();
    const reason = "no matching field for default-less Reading.place";
    expect(await faults()).toEqual([
      `schemas/readings/v3.avsc cannot read schemas/readings/v1.avsc: ${reason}`,
      `schemas/readings/v3.avsc cannot read schemas/readings/v2.avsc: ${reason}`,
      "unpublished readings/v3",
    ]);
    await put("readings/v3.avsc", reading(COUNT, { name: "unit", type: "string" }));
    await render();
    expect(await faults()).toEqual([
      "schemas/readings/v3.avsc cannot read schemas/readings/v1.avsc: no matching field for default-less Reading.unit",
      "schemas/readings/v3.avsc: repeats v2; records could not tell them apart",
      "unpublished readings/v3",
    ]);
  });

  it("finds a gap between the versions", async () => {
    await put("readings/v4.avsc", reading(COUNT, UNIT, { name: "place", type: "string", default: "" }));
    await render();
    expect(await faults()).toEqual(["schemas/readings/v3.avsc: missing below v4", "unpublished readings/v4"]);
  });

  it("finds names that are no table and no version, and a table that is empty", async () => {
    await put("Readings!/v1.avsc", reading(COUNT));
    await put("notes/readme.txt", "mine");
    expect(await faults()).toEqual([
      "schemas/Readings!: a table's name is a–z, 0–9 and _, begins with a letter, and has at most 63",
      expect.stringContaining("schemas/Readings!/v1.avsc: a table is named like"),
      "schemas/notes/readme.txt: a version is named v<n>.avsc",
      "schemas/notes: holds no version",
    ]);
  });

  it("finds what is no JSON, no schema, or nothing that the archive can hold", async () => {
    await put("broken/v1.avsc", "{");
    await put("other/v1.avsc", reading({ name: "data", type: "bytes" }));
    const [broken, other] = await faults();
    expect(broken).toMatch(/^schemas\/broken\/v1.avsc: .*JSON/);
    expect(other).toBe("schemas/other/v1.avsc: other.data: bytes and fixed have no form in JSON");
  });

  it("finds a generated module that is not what the files say", async () => {
    await writeFile(module, "export const SCHEMAS = [];\n");
    expect(await faults()).toEqual([
      "schemas.generated.ts: is not what the schema files say; run npm run render:schemas",
    ]);
  });

  it("finds a list of published versions that is missing or broken", async () => {
    await put("published.json", "{");
    expect((await faults())[0]).toMatch(/^schemas\/published.json: /);
    await rm(path.join(folder, "published.json"));
    expect((await faults())[0]).toBe("schemas/published.json: missing");
  });
});
