import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCorpus } from "../../test/corpus/corpus.ts";
import type { SourceTree } from "../model.ts";
import { openFolder } from "../repository/index.ts";
import { readWorkerConfigs } from "../wrangler/index.ts";
import { analyze } from "./index.ts";

const shapes = readCorpus();
const analysisOf = (tree: SourceTree) => analyze(tree, readWorkerConfigs(tree).configs);
const treeOf = ({ root }: (typeof shapes)[number]): SourceTree => openFolder(root, {});

describe("an analysis depends on the files and on nothing else", () => {
  it("the order of the files makes no difference", () => {
    const orders = fc.constantFrom(...shapes).chain((shape) => {
      const tree = treeOf(shape);
      const all = { minLength: tree.paths.length, maxLength: tree.paths.length };
      return fc.record({ tree: fc.constant(tree), paths: fc.shuffledSubarray([...tree.paths], all) });
    });
    fc.assert(
      fc.property(orders, ({ tree, paths }) => {
        const { configs } = readWorkerConfigs(tree);
        expect(analyze({ ...tree, paths }, configs)).toEqual(analyze(tree, configs));
      }),
      { numRuns: 150 },
    );
  });

  it("the same tree gives the same, whatever was analysed before", () => {
    const few = shapes.filter((_, index) => index % 6 === 0);
    const first = few.map((shape) => analysisOf(treeOf(shape)));
    const again = few.toReversed().map((shape) => analysisOf(treeOf(shape)));
    expect(again.toReversed()).toEqual(first);
  });

  it("one tree may be analysed twice", () => {
    const [shape] = shapes;
    const tree = shape === undefined ? null : treeOf(shape);
    expect(tree === null ? null : analysisOf(tree)).toEqual(tree === null ? undefined : analysisOf(tree));
  });
});
