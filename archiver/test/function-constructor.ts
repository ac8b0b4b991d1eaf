/**
 * The test pool replaces `Function` by a proxy that takes each parameter name
 * as an argument of its own; avsc passes them joined by commas.
 */
const Pooled = globalThis.Function;
globalThis.Function = new Proxy(Pooled, {
  construct(target, args: string[]) {
    const body = args.at(-1) ?? "";
    const names = args.slice(0, -1).flatMap((list) => list.split(",").filter((name) => name.trim() !== ""));
    return Reflect.construct(target, [...names, body]) as object;
  },
});
