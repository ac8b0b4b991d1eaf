import { describe, expect, it } from "vitest";
import { openMemory } from "../repository/memory.ts";
import { ModuleResolver } from "./modules.ts";

/** The file that an import in `src/index.ts` means, of a tree with these files. */
function resolved(
  specifier: string,
  files: Readonly<Record<string, string>>,
  from = "src/index.ts",
): string | null {
  return new ModuleResolver(openMemory({ "src/index.ts": "", ...files })).resolve(from, specifier);
}

describe("an import means", () => {
  it.each([
    ["a file beside it", "./a", { "src/a.ts": "" }, "src/a.ts"],
    ["a file above it", "../lib/a", { "lib/a.tsx": "" }, "lib/a.tsx"],
    ["the file that is compiled to it", "./a.js", { "src/a.ts": "" }, "src/a.ts"],
    ["the module that is compiled to it", "./a.mjs", { "src/a.mts": "" }, "src/a.mts"],
    ["the index of a folder", "./a", { "src/a/index.ts": "" }, "src/a/index.ts"],
    ["a file before a folder of its name", "./a", { "src/a.ts": "", "src/a/index.ts": "" }, "src/a.ts"],
    [
      "what tsconfig paths say",
      "@/a",
      {
        "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./src/lib/*"] } } }',
        "src/lib/a.ts": "",
      },
      "src/lib/a.ts",
    ],
    [
      "what the longest pattern of them says",
      "@/x/a",
      {
        "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./one/*"], "@/x/*": ["./two/*"] } } }',
        "one/x/a.ts": "",
        "two/a.ts": "",
      },
      "two/a.ts",
    ],
    [
      "a file from the base URL",
      "lib/a",
      { "tsconfig.json": '{ "compilerOptions": { "baseUrl": "src" } }', "src/lib/a.ts": "" },
      "src/lib/a.ts",
    ],
    [
      "a package of the workspace",
      "keys",
      { "packages/keys/package.json": '{ "name": "keys", "main": "a.ts" }', "packages/keys/a.ts": "" },
      "packages/keys/a.ts",
    ],
    [
      "a subpath that a package exports",
      "@x/keys/deep",
      {
        "k/package.json": '{ "name": "@x/keys", "exports": { "./deep": { "import": "./d.ts" } } }',
        "k/d.ts": "",
      },
      "k/d.ts",
    ],
    [
      "a pattern that a package exports",
      "keys/a",
      { "k/package.json": '{ "name": "keys", "exports": { "./*": "./src/*.ts" } }', "k/src/a.ts": "" },
      "k/src/a.ts",
    ],
    [
      "an import of its own package",
      "#a",
      { "package.json": '{ "imports": { "#a": "./src/a.ts" } }', "src/a.ts": "" },
      "src/a.ts",
    ],
  ])("%s", (_, specifier, files, file) => {
    expect(resolved(specifier, files)).toBe(file);
  });

  it("nothing in the tree where the package is another", () => {
    expect(resolved("hono", { "src/hono2.ts": "" })).toBeNull();
  });

  it("nothing outside of the tree", () => {
    expect(resolved("../../etc/passwd", { "etc/passwd.ts": "" })).toBeNull();
  });

  it("what the config of its own folder says, where there are several", () => {
    const files = {
      "tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./root/*"] } } }',
      "app/tsconfig.json": '{ "compilerOptions": { "paths": { "@/*": ["./own/*"] } } }',
      "root/a.ts": "",
      "app/own/a.ts": "",
    };
    expect(resolved("@/a", files, "app/src/x.ts")).toBe("app/own/a.ts");
  });
});
