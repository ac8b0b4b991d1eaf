import { describe, expect, it } from "vitest";
import { Exhausted, Guard } from "./guard.ts";

const guard = () => new Guard({ steps: 0 });

describe("the guard", () => {
  it("asks a question once", () => {
    const [asked, question] = [guard(), {}];
    let times = 0;
    for (let round = 0; round < 3; round += 1) {
      asked.answer<readonly number[]>(question, [], () => [(times += 1)]);
    }
    expect(times).toBe(1);
  });

  it("answers questions that ask each other with the least that satisfies all of them", () => {
    const [asked, a, b] = [guard(), {}, {}];
    const union = (...lists: readonly (readonly string[])[]) => [...new Set(lists.flat())].sort();
    const first = (): readonly string[] =>
      asked.answer<readonly string[]>(a, [], () => union(["a"], second()));
    const second = (): readonly string[] =>
      asked.answer<readonly string[]>(b, [], () => union(["b"], first()));
    expect([first(), second()]).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
  });

  it("gives up what leads too deep", () => {
    const asked = guard();
    const deeper = (): readonly number[] => asked.answer<readonly number[]>({}, [], deeper);
    expect(deeper).toThrow(Exhausted);
  });

  it("gives up what takes too many steps", () => {
    const asked = guard();
    expect(() => {
      for (;;) asked.step();
    }).toThrow(Exhausted);
  });

  it("leaves fewer steps to each search of a scan that has used very many", () => {
    const stepsOf = (spent: number): number => {
      const asked = new Guard({ steps: spent });
      asked.reset();
      let steps = 0;
      try {
        for (; ; steps += 1) asked.step();
      } catch {
        return steps;
      }
    };
    expect(stepsOf(1e9)).toBeLessThan(stepsOf(0) / 10);
  });

  it("answers again after a search that was given up", () => {
    const [asked, question] = [guard(), {}];
    const endless = (): readonly number[] => asked.answer<readonly number[]>({}, [], endless);
    expect(() => asked.answer<readonly number[]>(question, [], endless)).toThrow(Exhausted);
    asked.reset();
    expect(asked.answer<readonly number[]>(question, [], () => [1])).toEqual([1]);
  });
});
