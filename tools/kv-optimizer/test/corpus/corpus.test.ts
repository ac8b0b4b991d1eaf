import { afterAll, describe, expect, it } from "vitest";
import { analyze } from "../../src/find/index.ts";
import { openFolder } from "../../src/repository/index.ts";
import { readWorkerConfigs } from "../../src/wrangler/index.ts";
import { compare, type Comparison, comparisonTable, readCorpus, type Shape } from "./corpus.ts";

const shapes = readCorpus();
const comparisons = new Map<string, Comparison>();

function comparisonOf({ name, root, calls }: Shape): Comparison {
  const known = comparisons.get(name);
  if (known !== undefined) return known;
  const tree = openFolder(root, {});
  const { configs } = readWorkerConfigs(tree);
  const comparison = compare(calls, analyze(tree, configs).calls);
  comparisons.set(name, comparison);
  return comparison;
}

describe("in a repository of each shape, all KV calls are found as labelled, and no other", () => {
  afterAll(() => {
    process.stdout.write(`\n${comparisonTable(comparisons)}\n`);
  });

  it.each(shapes)("$name", (shape) => {
    expect(comparisonOf(shape).faults).toEqual([]);
  });

  it("of all shapes together, no put is false", () => {
    const falsePuts = shapes.filter((shape) => comparisonOf(shape).falsePuts > 0);
    expect(falsePuts.map(({ name }) => name)).toEqual([]);
  });

  it("of all shapes together, every put without a time to live is found", () => {
    const missing = shapes.flatMap((shape) =>
      comparisonOf(shape).faults.filter(
        (fault) => fault.includes(" put: not found") || fault.includes('labelled "no"'),
      ),
    );
    expect(missing).toEqual([]);
  });
});
