import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { analyzeFiles, analyzeText } from "./analyze-files.ts";

const HANDLER = '\nexport default { async fetch(request, env) { await env.CACHE.put("a", "b"); } };\n';
const BOUND_MS = 10_000;

const times = (count: number, part: (index: number) => string, between = "\n"): string =>
  Array.from({ length: count }, (_, index) => part(index)).join(between);

/** What a text comes to; a test that takes longer than the bound has found a hang. */
function outcomeOf(files: Readonly<Record<string, string>>) {
  const started = performance.now();
  const { calls, unread } = analyzeFiles(files);
  expect(performance.now() - started).toBeLessThan(BOUND_MS);
  return { calls: calls.length, unread };
}

const N = 100_000;
const around = (open: string, middle: string, close: string) =>
  `const x = ${open.repeat(N)}${middle}${close.repeat(N)};`;
const chain = (part: string) => `let a; const x = a${part.repeat(N)};`;
const prefixed = (part: string, last: string) => `const x = ${part.repeat(N)}${last};`;
const typed = (part: string, last: string) => `type X = ${part.repeat(N)}${last};`;

/** Each would overflow the native stack of the parser, which kills the process. */
const DEEP: Readonly<Record<string, string>> = {
  brackets: around("[", "", "]"),
  parentheses: around("(", "1", ")"),
  templates: around("`${", "1", "}`"),
  "template literals that hide brackets": prefixed("[`]`,", "1"),
  objects: around("{ a: ", "1", "}"),
  classes: around("class { a = ", "1", "}"),
  "arrow functions": prefixed("a => ", "1"),
  "async arrow functions": prefixed("async a => ", "1"),
  "else if": `${"if (a) b; else ".repeat(N)}c;`,
  "else if with commas": `${"if (a) b, c; else ".repeat(N)}c;`,
  "else if with blocks": `${"if (a) { b; } else ".repeat(N)}c;`,
  loops: `${"while (a) ".repeat(N)}c;`,
  "for loops": `${"for (;;) ".repeat(N)}c;`,
  "do loops": `${"do ".repeat(N)}c${"; while (a)".repeat(N)};`,
  labels: `${"a: ".repeat(N)}c;`,
  properties: chain(".b"),
  calls: chain("()"),
  "calls with commas": chain(".b(1, 2)"),
  indexes: chain("[0]"),
  "tagged templates": chain("``"),
  sums: chain(" + a"),
  "sums with texts that hide semicolons": chain(" + ';'"),
  "sums with comments that hide semicolons": chain(" + a /* ; */"),
  remainders: chain(" % a"),
  instanceof: chain(" instanceof a"),
  "nested ternaries": prefixed("a ? b : ", "c"),
  negations: prefixed("!", "a"),
  typeof: prefixed("typeof ", "a"),
  new: prefixed("new ", "A"),
  casts: chain(" as any"),
  satisfies: chain(" satisfies any"),
  "texts that hide brackets": prefixed("[']',", "1"),
  "regular expressions that hide brackets": prefixed("[/]/,", "1"),
  "regular expressions after a condition": `${"if (a) /[)]/.test([".repeat(N)}`,
  "nested generics": typed("A<", `B${">".repeat(N)}`),
  "nested generics with commas": typed("A<B, ", `B${">".repeat(N)}`),
  "type literals": typed("{ a: ", `B${"}".repeat(N)}`),
  "array types": typed("", `A${"[]".repeat(N)}`),
  keyof: typed("keyof ", "A"),
  "conditional types": typed("A extends B ? C : ", "D"),
  "constructor types": typed("abstract new () => ", "D"),
  heritage: prefixed("class extends ", "A {}"),
};

describe("what is nested too deeply is told as unread, and the process lives", () => {
  it.each(Object.entries(DEEP))("%s", (_, text) => {
    const { unread } = outcomeOf({ "src/index.ts": HANDLER, "src/deep.ts": `${text}${HANDLER}` });
    expect(unread).toEqual([{ file: "src/deep.ts", why: expect.stringMatching(/deep|long|division|words/) }]);
  });

  it.each([
    ["elements", `const x = ${"<a>".repeat(N)}${"</a>".repeat(N)};`],
    ["elements in attributes", `const x = ${"<a b=".repeat(N)}<c/>${"/>".repeat(N)};`],
    ["elements whose text looks like a template", `const x = ${"<a>`{".repeat(N)}1${"}</a>".repeat(N)};`],
  ])("%s", (_, text) => {
    const { unread } = outcomeOf({ "src/index.ts": HANDLER, "src/deep.tsx": `${text}${HANDLER}` });
    expect(unread).toHaveLength(1);
  });

  it("also in a process of its own, with the stack that the operating system gives it", () => {
    const module = JSON.stringify(path.join(import.meta.dirname, "analyze-files.ts"));
    const script = `
      const { analyzeText } = await import(${module});
      const texts = JSON.parse(await new Response(process.stdin).text());
      process.stdout.write(String(texts.filter((text) => analyzeText(text).unread.length === 1).length));`;
    const texts = Object.values(DEEP).map((text) => text + HANDLER);
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      input: JSON.stringify(texts),
      encoding: "utf8",
      timeout: 60_000,
    });
    expect({ signal, stdout }).toEqual({ signal: null, stdout: String(texts.length) });
  });

  it("what people write is not: long lists, long conditions, code without semicolons", () => {
    const text = [
      `const list = [${times(5_000, (index) => `{ id: ${index}, name: "n${index}" }`, ",\n")}];`,
      times(2_000, (index) => `const a${index} = b.c(${index}) + 1`),
      `type Icon = ${times(500, (index) => `| "icon${index}"`)};`,
      times(120, (index) => `if (x === ${index}) { y(); } else `, "") + "z();",
    ].join("\n");
    expect(outcomeOf({ "src/index.ts": text + HANDLER })).toEqual({ calls: 1, unread: [] });
  });
});

describe("what goes in circles ends", () => {
  it.each<[string, Record<string, string>]>([
    [
      "imports",
      Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [
          `src/m${index}.ts`,
          `import { f${(index + 1) % 100} } from "./m${(index + 1) % 100}"; export const f${index} = (kv) => f${(index + 1) % 100}(kv);`,
        ]),
      ),
    ],
    [
      "export *",
      Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [
          `src/m${index}.ts`,
          times(20, (other) => `export * from "./m${(index * 7 + other * 13 + 1) % 100}";`),
        ]),
      ),
    ],
    [
      "aliases, interfaces and classes",
      {
        "src/m.ts": `type A = B; type B = A | { a: A } & Readonly<B>; type R<T> = R<R<T>> | T;
          interface X extends Y {} interface Y extends X { kv: KVNamespace } interface Z extends Z {}
          class K extends L {} class L extends K { kv: KVNamespace }
          function f(a: A, r: R<KVNamespace>, x: X, z: Z, k: K) { a.a.put(x.no, z.no, k.no); r.no.get("a"); }`,
      },
    ],
    [
      "values that hold themselves",
      {
        "src/m.ts": `const a: any = { ...a, b: a, get c() { return a.c; }, [a.d]: a.e }; a.f = a; Object.assign(a, a);
          let k = k + k; k += k; const [p, q = p] = [q, p]; const { m: { n = m } } = n;
          export const f = (env) => env.CACHE.put(k, p, { ...a, expirationTtl: a.b.c ?? k });`,
      },
    ],
    [
      "functions that hand a namespace on to each other",
      {
        "src/m.ts": times(
          40,
          (index) =>
            `export function f${index}(kv) { ${times(40, (other) => `f${other}(kv);`, " ")} kv.no(); }`,
        ),
      },
    ],
    [
      "factories that make each other",
      {
        "src/m.ts": `${times(60, (index) => `const f${index} = (env) => ({ ...f${(index + 1) % 60}(env), kv: f${(index * 7) % 60}(env).kv });`)}
          export const x = (env) => f0(env).kv.no("a", f0(env), f0(env));`,
      },
    ],
  ])("%s", (_, files) => {
    expect(outcomeOf({ "src/index.ts": HANDLER, ...files }).calls).toBeGreaterThanOrEqual(1);
  });
});

describe("what doubles with each step is given up, and the call is still found", () => {
  const doubling = (first: string, next: (before: string) => string): string =>
    [`const a0 = ${first};`, times(60, (index) => `const a${index + 1} = ${next(`a${index}`)};`)].join("\n");

  it.each([
    ["keys", doubling('x ? "a" : "b"', (a) => `${a} + ${a}`), 'env.CACHE.put(a60, "v")'],
    ["numbers", doubling("1", (a) => `${a} + ${a}`), 'env.CACHE.put("k", "v", { expirationTtl: a60 })'],
    [
      "spreads",
      doubling("{ expirationTtl: 60 }", (a) => `{ ...${a}, ...${a} }`),
      'env.CACHE.put("k", "v", a60)',
    ],
    [
      "choices",
      doubling("{ expirationTtl: 60 }", (a) => `x ? { ...${a} } : { ...${a} }`),
      'env.CACHE.put("k", "v", a60)',
    ],
    ["calls", doubling("(o) => o", (a) => `(o) => ${a}(${a}(o))`), 'env.CACHE.put("k", "v", a60({}))'],
    ["lists", doubling('["a"]', (a) => `[...${a}, ...${a}]`), "env.CACHE.get(a60)"],
  ])("%s", (_, declarations, call) => {
    const text = `${declarations}\nexport default { async fetch(request, env) { ${call}; } };`;
    expect(outcomeOf({ "src/index.ts": text }).calls).toBe(1);
  });

  it("and says which part it is that was given up", () => {
    const text = `${doubling("{ expirationTtl: 60 }", (a) => `{ ...${a}, ...${a} }`)}
      export default { async fetch(request, env) { env.CACHE.put("k", "v", a60); } };`;
    const { calls, unread } = analyzeText(text);
    expect(calls[0]?.ttl).toEqual({ verdict: "unknown", why: "its options lead too far to be followed" });
    expect(unread).toEqual([
      { file: "src/index.ts", why: "the options lead too far to be followed (line 62)" },
    ]);
  });
});

describe("what is very many is found in bounded time", () => {
  const inHandler = (body: string) => `export default { async fetch(request, env) { ${body} } };`;
  it.each([
    [
      "callers of one wrapper",
      `function save(kv: KVNamespace, key, o) { return kv.put(key, "v", o); }
        ${inHandler(times(3_000, (index) => `await save(env.CACHE, "k:${index}", { expirationTtl: ${index} });`))}`,
      1,
    ],
    ["calls", inHandler(times(3_000, (index) => `env.CACHE.put("k${index}", "v");`)), 3_000],
    [
      "conditional keys",
      `let k = "a"; ${times(2_000, (index) => `if (a === ${index}) k = "k${index}";`)} ${inHandler('env.CACHE.put(k, "v");')}`,
      1,
    ],
    [
      "members of a type",
      `interface Env { ${times(3_000, (index) => `K${index}: KVNamespace;`)} }
        ${inHandler("")} function f(env: Env) { ${times(300, (index) => `env.K${index}.get("a");`)} }`,
      300,
    ],
    [
      "members of a union",
      `type U = ${times(300, (index) => `| { kind: "${index}"; kv: KVNamespace }`)};
        function f(u: U) { ${times(100, (index) => `if (u.kind !== "${index}") return;`)} u.kv.get("z"); }`,
      1,
    ],
    [
      "comments of ours",
      inHandler(times(3_000, () => '\nenv.CACHE.get("x"); // kv-optimizer:ignore it is measured') + "\n"),
      3_000,
    ],
    [
      "declarations of one name",
      `${times(2_000, (index) => `var a = ${index}; function f(x) { return a.get(x); }`)}${HANDLER}`,
      1,
    ],
  ])("%s", (_, text, calls) => {
    expect(outcomeOf({ "src/index.ts": text }).calls).toBe(calls);
  });
});

describe("names of Object.prototype are names like others", () => {
  const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];

  it.each(NAMES)("%s as a binding", (name) => {
    const { calls } = analyzeFiles({
      "wrangler.json": JSON.stringify({
        name: "w",
        main: "src/index.ts",
        kv_namespaces: [{ binding: name, id: "x" }],
      }),
      "src/index.ts": `export default { fetch(request, env) { return env.${name}.get("a"); } };`,
    });
    expect(calls.map(({ bindings }) => bindings)).toEqual([[name]]);
  });

  it.each(NAMES)("%s as a member of an enum, a property, a method and an operator", (name) => {
    const { calls } = analyzeText(`
      enum Keys { ${name} = "k" }
      class Store { ${name === "constructor" ? "x" : name}() { return 1; } }
      const options = { ["${name}"]: { expirationTtl: 60 } };
      export default { fetch(request, env) { return env.CACHE.put(Keys.${name}, "v", { expirationTtl: Math.${name}(2) }); } };`);
    expect(calls.map(({ keys, ttl }) => [keys, ttl?.verdict])).toEqual([[["k"], "yes"]]);
  });

  it("a binding that looks like a regular expression is no regular expression", () => {
    const config = {
      name: "w",
      main: "src/index.ts",
      kv_namespaces: [
        { binding: "a(b|c", id: "x" },
        { binding: "$&", id: "x" },
      ],
    };
    const text = `export default { fetch(request, env) { return env["a(b|c"].get("a"); } };`;
    const { calls } = analyzeFiles({ "wrangler.json": JSON.stringify(config), "src/index.ts": text });
    expect(calls.map(({ bindings }) => bindings)).toEqual([["a(b|c"]]);
  });
});

describe("a text is read for what it is", () => {
  it.each([
    ["a byte order mark", `\uFEFF${HANDLER}`],
    ["CRLF", HANDLER.replaceAll("\n", "\r\n")],
    ["U+2028", HANDLER.replaceAll("\n", "\u2028")],
    ["a hashbang", `#!/usr/bin/env node${HANDLER}`],
    ["decorators", `@d() class A { @x() y = 1; f(@Inject(T) t) {} }${HANDLER}`],
    ["using", `{ using a = open(); }${HANDLER}`],
    ["const enums", `const enum A { a = "x" } declare enum B { c }${HANDLER}`],
    ["declared modules", `declare module "x" { export const y: number; }${HANDLER}`],
    ["regular expressions that look like code", `const a = /env.CACHE.put("x")/;${HANDLER}`],
    [
      "comments and texts that look like code",
      `// env.CACHE.put("x")\nconst a = 'env.CACHE.put("x")';${HANDLER}`,
    ],
  ])("%s", (_, text) => {
    expect(analyzeText(text).calls.map(({ code }) => code)).toEqual(['env.CACHE.put("a", "b")']);
  });

  it.each([
    "const a = {{{ ;",
    "function f( {",
    "`${",
    "/* ",
    "'",
    "<a>",
    "@",
    String.raw`\u{110000}`,
    "\u{10FFFF}",
  ])("and where it is no program, that is told: %s", (text) => {
    const { calls, unread } = analyzeFiles({
      "src/index.ts": HANDLER,
      "src/bad.ts": `${text} KVNamespace kv.get(`,
    });
    expect(calls).toHaveLength(1);
    expect(unread.every(({ file }) => file === "src/bad.ts")).toBe(true);
  });
});

const LONG = 300_000;
describe("the time that a line takes grows no faster than its length", () => {
  it.each([
    "from ",
    "import '",
    "export ",
    "env?. ",
    "keyof Env",
    "Object.values(a.",
    "kv",
    "KV ",
    "namespace ",
    "a ? : ",
    "a: ",
    "@prop {KVNamespace ",
    "type Env",
    "declare const a",
    "['",
    ". ",
    "\\ ",
    "/**/",
    "}/",
    "< ",
    "// kv-optimizer:rate 1/day\n",
    "/** @param {a} */",
    "/** @type {KVNamespace} */ ",
    'set("',
  ])("%j", (part) => {
    const line = part.repeat(Math.ceil(LONG / part.length));
    const { calls } = outcomeOf({
      "src/index.ts": HANDLER,
      "src/a.ts": `${line}\nKVNamespace kv.get(`,
      "src/b.js": `//${line}${HANDLER}`,
      "src/c.ts": `${part}${" ".repeat(LONG)}${HANDLER}`,
    });
    expect(calls).toBeGreaterThanOrEqual(1);
  });
});

describe("configs lead nowhere outside of the tree", () => {
  it("tsconfig paths and package exports that loop or leave the root name no file", () => {
    const { calls } = outcomeOf({
      "tsconfig.json":
        '{"extends":"./tsconfig.json","compilerOptions":{"baseUrl":"../..","paths":{"*":["*","../../*"],"a":["a"],"__proto__":["x"]}}}',
      "lib/package.json":
        '{"name":"lib","main":"../../etc/passwd","exports":{"./*":"../../*",".":[["../x"]]},"imports":{"#a":"#a"}}',
      "src/index.ts": `import a from "a"; import b from "lib"; import c from "lib/x"; import d from "#a"; import e from "/etc/passwd"; import ".."; import "./index";${HANDLER}`,
    });
    expect(calls).toBe(1);
  });

  it("a package whose exports nest without end is left alone", () => {
    const nested = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    expect(
      outcomeOf({ "package.json": `{"name":"x","exports":${nested}}`, "src/index.ts": HANDLER }).calls,
    ).toBe(1);
  });
});
