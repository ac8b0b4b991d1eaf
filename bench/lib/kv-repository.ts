/**
 * A Workers repository of any size, made up, whose KV calls are known: the templates mark
 * them. It is one Worker with many domains; each has types, validation, a D1 repository, a
 * service with caches in memory, a handler, a Durable Object and a module that uses KV in
 * one of a dozen ways. Much has methods of the same names as KV without being KV.
 */
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { Random } from "../../archiver/conformance/random.ts";
import { domains } from "./kv-domains.ts";
import { fillTemplate, type Item, parseTemplate, type Template } from "./kv-template.ts";
import { type SeenCall, takeMarks } from "./kv-truth.ts";

const TEMPLATES = path.join(import.meta.dirname, "kv-templates");
const MODULES = path.join(import.meta.dirname, "../../node_modules");
const DOMAIN_FILES = [
  "types",
  "validate",
  "repository",
  "service",
  "handler",
  "format",
  "rules",
  "actor",
] as const;
const TESTED = 3;

/** Files by their paths, and what is true of them. */
export interface KvRepository {
  readonly files: ReadonlyMap<string, string>;
  readonly lines: number;
  /** KV calls outside of tests, by file and line. */
  readonly truth: readonly SeenCall[];
}

type Templates = ReadonlyMap<string, Template>;

async function readTemplates(): Promise<Templates> {
  const names = (await readdir(TEMPLATES)).sort();
  const texts = await Promise.all(names.map((name) => readFile(path.join(TEMPLATES, name), "utf8")));
  return new Map(
    names.map((name, index) => [path.basename(name, ".txt"), parseTemplate(texts[index] ?? "")]),
  );
}

/** Files that grow, with the calls in them. */
class Files {
  readonly files = new Map<string, string>();
  readonly truth: SeenCall[] = [];
  lines = 0;
  readonly #templates: Templates;

  constructor(templates: Templates) {
    this.#templates = templates;
  }

  add(file: string, name: string, item: Item): void {
    const template = this.#templates.get(name);
    if (template === undefined) throw new Error(`there is no template ${name}`);
    const { text, calls } = takeMarks(file, fillTemplate(template, item));
    this.files.set(file, text);
    this.truth.push(...calls);
    this.lines += text.split("\n").length - 1;
  }
}

function addDomain(files: Files, domain: Item, store: string, tested: boolean): void {
  const folder = `src/domains/${domain.words["folder"] ?? ""}`;
  for (const name of DOMAIN_FILES) files.add(`${folder}/${name}.ts`, name, domain);
  files.add(`${folder}/store.ts`, store, domain);
  if (tested) files.add(`${folder}/store.test.ts`, "test", domain);
}

/** Every second domain uses KV as plainly as most code does, the others in all other ways by turns. */
function storeOf(
  { plain, other }: Readonly<Record<"plain" | "other", readonly string[]>>,
  index: number,
): string {
  const from = index % 2 === 0 ? plain : other;
  return from[Math.floor(index / 2) % from.length] ?? "";
}

/** Makes a repository of at least so many lines. @throws Error when the words do not suffice */
export async function kvRepository(seed: number, lines: number): Promise<KvRepository> {
  const templates = await readTemplates();
  const named = (prefix: string) => [...templates.keys()].filter((name) => name.startsWith(prefix));
  const stores = { plain: named("plain-"), other: named("store-") };
  const files = new Files(templates);
  const used: Item[] = [];
  const none: Item = { words: {}, lists: {} };
  for (const name of templates.keys()) {
    if (name.startsWith("lib-")) files.add(`src/lib/${name.slice("lib-".length)}.ts`, name, none);
  }
  for (const domain of domains(new Random(seed))) {
    if (files.lines >= lines) break;
    addDomain(files, domain, storeOf(stores, used.length), used.length % TESTED === 0);
    used.push(domain);
  }
  if (files.lines < lines) throw new Error(`there are words for ${files.lines} lines only`);
  const all: Item = { words: {}, lists: { domain: used } };
  files.add("src/env.ts", "env", all);
  files.add("src/index.ts", "index", all);
  files.add("wrangler.toml", "wrangler", all);
  files.add("tsconfig.json", "tsconfig", none);
  return { files: files.files, lines: files.lines, truth: files.truth };
}

/** Writes a repository into an empty folder, with the types of the runtime as an installation would have them. */
export async function writeRepository({ files }: KvRepository, folder: string): Promise<void> {
  for (const [file, text] of files) {
    const target = path.join(folder, file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, text);
  }
  const types = "@cloudflare/workers-types";
  await mkdir(path.join(folder, "node_modules", path.dirname(types)), { recursive: true });
  await symlink(path.join(MODULES, types), path.join(folder, "node_modules", types));
}
