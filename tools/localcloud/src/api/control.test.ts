import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeRuntime } from "../../test/fake-runtime.ts";
import { temporaryDirectory } from "../../test/harness.ts";
import { Store } from "../state/store.ts";
import { Changes } from "./control.ts";

let store: Store;
let runtime: FakeRuntime;
let changes: Changes;
let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
  store = new Store(directory.path);
  runtime = new FakeRuntime();
  changes = new Changes(store, runtime);
});
afterEach(() => {
  store.close();
  directory[Symbol.dispose]();
});

const put = (id: string) => store.kv.put({ id, title: id });
const ids = () => store.kv.list().map(({ id }) => id);

describe("changes", () => {
  it("are stored whole or not at all", async () => {
    await expect(
      changes.store(() => {
        put("a");
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(ids()).toEqual([]);
  });

  it("are undone in both places when the data plane refuses them", async () => {
    await changes.deploy(() => put("a"));
    runtime.applyError = new Error("workerd refuses");
    await expect(changes.deploy(() => put("b"))).rejects.toThrow("workerd refuses");
    expect(ids()).toEqual(["a"]);
    expect(runtime.applied.at(-1)?.kvNamespaceIds).toEqual(["a"]);
  });

  it("leave the data plane alone when the write itself fails", async () => {
    await expect(changes.deploy(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(runtime.applied).toEqual([]);
  });

  it("take turns, also while one waits", async () => {
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const slow = changes.store(async () => {
      await gate.promise;
      order.push("slow");
    });
    const quick = changes.store(() => order.push("quick"));
    gate.resolve();
    await Promise.all([slow, quick]);
    expect(order).toEqual(["slow", "quick"]);
  });
});
