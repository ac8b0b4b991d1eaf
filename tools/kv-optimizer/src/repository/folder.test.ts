import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UnreadableError } from "../model.ts";
import { FolderError, openFolder } from "./index.ts";

let base: string;
let root: string;

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), "kv-optimizer-folder-"));
  root = path.join(base, "repository");
  mkdirSync(root);
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

function write(file: string, text = "export {};\n"): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}

describe("openFolder", () => {
  it("lists and reads what is there", () => {
    write("src/index.ts", "export default {};\n");
    write("wrangler.toml", 'name = "a"\n');
    const tree = openFolder(root);
    expect(tree.paths).toEqual(["src/index.ts", "wrangler.toml"]);
    expect(tree.read("src/index.ts")).toBe("export default {};\n");
    expect(tree.unread).toEqual([]);
  });

  it("judges exclusions by the path below the root", () => {
    write("test/fixtures/app/src/a.ts");
    expect(openFolder(path.join(root, "test/fixtures/app")).paths).toEqual(["src/a.ts"]);
  });

  it("opens a root that is a link, and follows no link below it", () => {
    write("src/a.ts");
    writeFileSync(path.join(base, "outside.ts"), "secret");
    symlinkSync(path.join(base, "outside.ts"), path.join(root, "src/linked.ts"));
    symlinkSync(root, path.join(root, "src/loop"));
    symlinkSync(root, path.join(base, "alias"));
    const tree = openFolder(path.join(base, "alias"));
    expect(tree.paths).toEqual(["src/a.ts"]);
    expect(tree.unread.map(({ file }) => file)).toEqual(["src/linked.ts", "src/loop"]);
  });

  it("never opens a pipe", () => {
    execFileSync("mkfifo", [path.join(root, "pipe.ts")]);
    expect(openFolder(root).unread).toEqual([{ file: "pipe.ts", why: "It is a named pipe." }]);
  });

  it("takes strange names, but for those that are not UTF-8", () => {
    const strange = ["a\nb.ts", "back\\slash.ts", 'quote".ts', "replaced\uFFFD.ts", "\u001b[31m.ts"];
    for (const name of strange) write(name);
    writeFileSync(
      Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0x2e, 0x74, 0x73])]),
      "export {};",
    );
    const tree = openFolder(root);
    expect(tree.paths).toEqual(strange.toSorted());
    expect(tree.unread).toEqual([{ file: "\uFFFD.ts", why: "Its name is not valid UTF-8." }]);
  });

  it("tells a file that vanished, or was replaced, when it is read", () => {
    for (const name of ["gone.ts", "linked.ts", "pipe.ts"]) write(name);
    const tree = openFolder(root);
    for (const name of ["gone.ts", "linked.ts", "pipe.ts"]) rmSync(path.join(root, name));
    symlinkSync("/etc/passwd", path.join(root, "linked.ts"));
    execFileSync("mkfifo", [path.join(root, "pipe.ts")]);
    expect(() => tree.read("gone.ts")).toThrow(
      new UnreadableError("It is not there, or vanished while the tree was read."),
    );
    expect(() => tree.read("linked.ts")).toThrow(
      new UnreadableError("It is a symbolic link, which is not followed."),
    );
    expect(() => tree.read("pipe.ts")).toThrow(new UnreadableError("It is no regular file any more."));
  });

  it("refuses a root that is no folder", () => {
    write("a.ts");
    expect(() => openFolder(path.join(root, "a.ts"))).toThrow(FolderError);
    expect(() => openFolder(path.join(root, "missing"))).toThrow(FolderError);
  });
});
