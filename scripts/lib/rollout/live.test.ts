import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { FakeCloud } from "../test/fake-cloud.ts";
import { OPTIONS, released } from "../test/released.ts";
import { release } from "../release/release.ts";
import { watchRollout } from "./live.ts";

/** Somewhere to draw; a log is no terminal. */
function output(isTTY: boolean): { readonly stream: NodeJS.WriteStream; readonly written: string[] } {
  const written: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString());
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY, columns: 80 }) as unknown as NodeJS.WriteStream, written };
}

/** A rollout in phase 1 that its judge does not find an end for, read so often, then taken back. */
async function watched(isTTY: boolean, reads: number): Promise<readonly string[]> {
  const { cloud } = await released();
  await release(await cloud.context(), "hub", { ...OPTIONS, detach: true });
  cloud.rollouts.judge = () => "inconclusive";
  const { stream, written } = output(isTTY);
  let seen = 0;
  await watchRollout(await cloud.context(), {
    intervalMs: 100,
    output: stream,
    onChange: () => {
      seen += 1;
      if (seen === reads) cloud.rollouts.judge = () => "fail";
    },
  });
  return written;
}

describe("a rollout that is watched", () => {
  it("is told anew in a log only when it moves, or its verdict does", async () => {
    const blocks = await watched(false, 10);
    expect(blocks.length).toBeLessThan(8);
    const plain = blocks.map((block) => stripVTControlCharacters(block));
    expect(plain.filter((block) => block.includes("inconclusive:"))).toHaveLength(1);
    expect(blocks.at(-1)).toContain("rolled-back");
    expect(blocks.join("")).not.toContain("\u001B[0J");
  });

  it("is drawn over itself on a terminal, each time", async () => {
    const blocks = await watched(true, 10);
    expect(blocks.length).toBeGreaterThan(10);
    expect(blocks.at(-1)).toContain("\u001B[0J");
  });

  it("is told once when none is open", async () => {
    const cloud = new FakeCloud();
    await release(await cloud.context(), "all", OPTIONS);
    const { stream, written } = output(false);
    await watchRollout(await cloud.context(), { intervalMs: 100, output: stream, onChange: null });
    expect(written).toHaveLength(1);
  });
});
