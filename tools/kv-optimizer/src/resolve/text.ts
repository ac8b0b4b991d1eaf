/** Strings as patterns: what is written out stands as it is, what is not known as `{name}`. */
import {
  bare,
  isWhole,
  type FunctionInfo,
  keyName,
  type Node,
  type Scope,
  type Site,
  type ValueDeclaration,
} from "../program/index.ts";
import { type Frame, frameOf, NO_FRAME } from "./frame.ts";
import { behindTypes } from "./value.ts";
import type { World } from "./world.ts";

/** More patterns of one key than these are one pattern with a hole. */
const MAX_PATTERNS = 8;
const MAX_DEPTH = 24;
const MAX_LENGTH = 200;

interface Asked {
  readonly world: World;
  readonly frame: Frame;
  readonly depth: number;
}

/** The patterns that an expression may be, sorted, each once. */
export function textsOf(world: World, site: Site): readonly string[] {
  return [...new Set(texts(site, { world, frame: NO_FRAME, depth: 0 }))].sort();
}

const hole = (name: string | null): readonly string[] => [`{${name ?? ""}}`];

/** What a hole is called: the last name of an expression. */
function holeName(written: Node): string | null {
  const node = bare(written);
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression") {
    const name = keyName(node.property, node.computed);
    return name === "length" || name === null ? holeName(node.object) : name.replace(/^#/, "");
  }
  if (node.type === "CallExpression") {
    const [first] = node.arguments;
    // `headers.get("cf-connecting-ip")`: what is asked for says more than who is asked.
    const isNamed =
      first?.type === "Literal" && typeof first.value === "string" && /^[\w-]{1,40}$/.test(first.value);
    if (isNamed) return String(first.value);
    const name = first === undefined ? null : holeName(first);
    return name ?? holeName(node.callee);
  }
  return null;
}

function texts(site: Site, asked: Asked): readonly string[] {
  asked.world.guard.step();
  const node = bare(site.node);
  const { scope } = site;
  if (asked.depth > MAX_DEPTH) return hole(holeName(node));
  const deeper: Asked = { ...asked, depth: asked.depth + 1 };
  const inner = (child: Node): readonly string[] => texts({ node: child, scope }, deeper);
  switch (node.type) {
    case "Literal":
      return [String(node.value)];
    case "TemplateLiteral":
      return joined(
        node.quasis.flatMap((quasi, index) => {
          const expression = node.expressions[index];
          const text = [quasi.value.cooked ?? quasi.value.raw];
          return expression === undefined ? [text] : [text, inner(expression)];
        }),
      );
    case "BinaryExpression":
      return node.operator === "+" ? joined([inner(node.left), inner(node.right)]) : hole(null);
    case "ConditionalExpression":
      return several([...inner(node.consequent), ...inner(node.alternate)], node);
    case "LogicalExpression":
      return several([...(node.operator === "&&" ? [] : inner(node.left)), ...inner(node.right)], node);
    case "Identifier":
      return identifier(node.name, site, deeper);
    case "MemberExpression":
      return member(node, scope, deeper);
    case "CallExpression":
      return called(node, scope, deeper);
    default:
      return hole(holeName(node));
  }
}

/** All ways to join one of each list. */
function joined(parts: readonly (readonly string[])[]): readonly string[] {
  const all = parts.reduce<readonly string[]>(
    (heads, tails) =>
      heads
        .flatMap((head) => tails.map((tail) => (head + tail).slice(0, MAX_LENGTH)))
        .slice(0, MAX_PATTERNS * 4),
    [""],
  );
  if (all.length <= MAX_PATTERNS) return all;
  return [
    parts
      .map((part) => (part.length === 1 ? (part[0] ?? "") : "{}"))
      .join("")
      .slice(0, MAX_LENGTH),
  ];
}

/** Several patterns, or one hole for too many. */
function several(all: readonly string[], node: Node): readonly string[] {
  const distinct = [...new Set(all)];
  // A hole may be any of the others.
  const open = distinct.find((text) => /^\{[^{}]*\}$/.test(text));
  if (open !== undefined && distinct.length > 1) return [open];
  return distinct.length === 0 || distinct.length > MAX_PATTERNS ? hole(holeName(node)) : distinct;
}

function identifier(name: string, { node, scope }: Site, asked: Asked): readonly string[] {
  const { world, frame } = asked;
  const declared = scope.lookup(name);
  if (declared?.kind === "import") {
    const module = world.imported(declared.file, declared.source);
    return module === null || declared.name === "*"
      ? hole(name)
      : several(exportedText(module, declared.name, asked) ?? hole(name), node);
  }
  if (declared?.kind !== "value") return hole(name);
  const given = frame.get(declared);
  if (given !== undefined) return texts(given, { ...asked, frame: NO_FRAME });
  return several(declaredText(declared, asked), node);
}

function declaredText(declared: ValueDeclaration, asked: Asked): readonly string[] {
  const { world } = asked;
  const { origin, path, name, assigned, appended } = declared;
  const empty = hole(name);
  return world.guard.answer<readonly string[]>(
    asked.frame.size > 0 ? {} : world.guard.part(declared, "text"),
    empty,
    () => {
      if (origin.kind === "parameter") {
        const fallback = path.at(-1)?.fallback;
        const own = fallback && isWhole(path) ? texts(fallback, asked) : [];
        const handed = parameterSites(world, origin.fn, origin.index).flatMap((site) =>
          isWhole(path) ? texts(site, asked) : pathText(site, declared, asked),
        );
        // Of a function that many call, a hole says as much.
        return handed.length === 0 || handed.length > 40 || handed.some((text) => /^\{[^{}]*\}$/.test(text))
          ? empty
          : [...own, ...handed];
      }
      if (origin.kind === "element") return elementTexts(origin.site, asked) ?? empty;
      if (origin.kind !== "value") return empty;
      const first = isWhole(path) ? texts(origin.site, asked) : pathText(origin.site, declared, asked);
      if (appended.length > 0 && assigned.length === 0) {
        return joined([
          first,
          ...appended.map((site) =>
            site.scope.arm === null && site.scope.fn === declared.scope.fn ? texts(site, asked) : hole(null),
          ),
        ]);
      }
      const all = [...first, ...assigned.flatMap((site) => texts(site, asked))];
      // A hole of another name is still best called by the name that holds it, when nothing else is known.
      return all.every((text) => /^\{[^{}]*\}$/.test(text)) ? empty : all;
    },
  );
}

/** The patterns of the elements of a list that is written out, or mapped from another; `null` of other lists. */
export function listTexts(world: World, site: Site): readonly string[] | null {
  const found = elementTexts(site, { world, frame: NO_FRAME, depth: 0 });
  return found === null ? null : [...new Set(found)].sort();
}

/** Elements of a list that is written out. */
function elementTexts({ node: written, scope }: Site, asked: Asked): readonly string[] | null {
  const node = bare(written);
  if (node.type === "ArrayExpression") {
    const all = node.elements.flatMap((element) =>
      element === null || element.type === "SpreadElement" ? ["{}"] : texts({ node: element, scope }, asked),
    );
    return all.length > 0 && all.length <= MAX_PATTERNS && !all.includes("{}") ? all : null;
  }
  if (node.type === "CallExpression") {
    const callee = bare(node.callee);
    const [mapper] = node.arguments;
    const isMap = callee.type === "MemberExpression" && keyName(callee.property, callee.computed) === "map";
    const fn = isMap && mapper !== undefined ? asked.world.expressions.inline(mapper, scope) : null;
    return fn === null ? null : fn.returns.flatMap((returned) => texts(returned, asked));
  }
  if (node.type !== "Identifier") return null;
  const declared = scope.lookup(node.name);
  return declared?.kind === "value" &&
    declared.origin.kind === "value" &&
    isWhole(declared.path) &&
    asked.depth < MAX_DEPTH
    ? elementTexts(declared.origin.site, { ...asked, depth: asked.depth + 1 })
    : null;
}

/** A name of a pattern: the property of what is taken apart. */
function pathText(site: Site, { path, name, scope }: ValueDeclaration, asked: Asked): readonly string[] {
  const { world } = asked;
  const last = path.at(-1);
  if (last === undefined || last.key === null) return hole(name);
  const values = world.expressions.along(world.expressions.values(site), path.slice(0, -1), scope);
  const found = ofValues(values, last.key, asked);
  const fallback = last.fallback === null ? [] : texts(last.fallback, asked);
  return found === null ? [...fallback, ...(fallback.length > 0 ? [] : hole(name))] : [...found, ...fallback];
}

/** Expressions that callers hand over. */
function parameterSites(world: World, fn: FunctionInfo, index: number): readonly Site[] {
  return world.callers
    .argumentSites(fn, index)
    .flatMap(({ site }) => (site === null || site === "spread" ? [] : [site]));
}

function member(
  node: Extract<Node, { type: "MemberExpression" }>,
  scope: Scope,
  asked: Asked,
): readonly string[] {
  const name = keyName(node.property, node.computed);
  const empty = hole(holeName(node));
  if (name === null) return empty;
  const values = asked.world.expressions.values({ node: node.object, scope });
  return several(ofValues(values, name, asked) ?? empty, node);
}

type Values = ReturnType<World["expressions"]["values"]>;

/** The text of a property; `null` when none of the values tells. */
function ofValues(values: Values, name: string, asked: Asked): readonly string[] | null {
  const { world } = asked;
  const found = behindTypes(values).flatMap((value): readonly string[] => {
    switch (value.kind) {
      case "object":
        return world.members.propertySites(value.site, name).flatMap((site) => texts(site, asked));
      case "enum":
        return enumText(value.site, name, asked);
      case "module":
        return exportedText(value.file, name, asked) ?? [];
      case "class":
        return world.members
          .memberOf(value.info, name, true)
          .flatMap(({ value: site }) => (site === null ? [] : texts(site, asked)));
      case "instance": {
        const own = world.members.memberOf(value.info, name, false);
        const written = value.info.writes.filter(({ property }) => property === name).map(({ site }) => site);
        const ownTexts = own.flatMap(({ value: site, parameter, fn }) => {
          if (parameter !== null) return declaredText(parameter, asked);
          if (fn?.role === "getter") return fn.returns.flatMap((returned) => texts(returned, asked));
          return site === null ? [] : texts(site, asked);
        });
        const all = [...ownTexts, ...written.flatMap((site) => texts(site, asked))];
        if (all.length > 0) return all;
        return (
          ofValues(
            world.expressions.superClasses(value.info).map((info) => ({ ...value, info })),
            name,
            asked,
          ) ?? []
        );
      }
      default:
        return [];
    }
  });
  return found.length === 0 ? null : found;
}

function enumText({ node, scope }: Site, name: string, asked: Asked): readonly string[] {
  if (node.type !== "TSEnumDeclaration") return [];
  const found = node.body.members.find(({ id, computed }) => keyName(id, computed) === name);
  return found?.initializer ? texts({ node: found.initializer, scope }, asked) : [];
}

/** The text of a constant that a module exports. */
function exportedText(file: Site["scope"]["file"], name: string, asked: Asked): readonly string[] | null {
  const { world } = asked;
  if (asked.depth > MAX_DEPTH) return null;
  const deeper: Asked = { ...asked, depth: asked.depth + 1 };
  const found = file.exports.get(name);
  if (found?.kind === "site") return texts(found.site, deeper);
  if (found?.kind === "local") {
    return identifier(found.name, { node: { ...NAME, name: found.name }, scope: file.root }, deeper);
  }
  if (found?.kind === "elsewhere") {
    const module = world.imported(file, found.source);
    return module === null ? null : exportedText(module, found.name, deeper);
  }
  for (const source of file.stars) {
    const module = world.imported(file, source);
    const behind = module === null ? null : exportedText(module, name, deeper);
    if (behind !== null) return behind;
  }
  return file.commonjs === null ? null : ofValues(world.expressions.values(file.commonjs), name, deeper);
}

const NAME = { type: "Identifier", name: "", start: 0, end: 0 } as const;

function called(
  node: Extract<Node, { type: "CallExpression" }>,
  scope: Scope,
  asked: Asked,
): readonly string[] {
  const { world } = asked;
  const callee = bare(node.callee);
  const [first] = node.arguments;
  if (callee.type === "Identifier" && callee.name === "String" && first !== undefined) {
    return texts({ node: first, scope }, asked);
  }
  if (callee.type === "MemberExpression") {
    const name = keyName(callee.property, callee.computed);
    if (name === "toString" || name === "trim" || name === "toLowerCase" || name === "normalize") {
      const found = texts({ node: callee.object, scope }, asked);
      return name === "toLowerCase"
        ? found.map((text) => (text.includes("{") ? text : text.toLowerCase()))
        : found;
    }
    if (name === "concat") {
      return joined([callee.object, ...node.arguments].map((part) => texts({ node: part, scope }, asked)));
    }
    if (name === "join") return joinedList(callee.object, first, scope, asked) ?? hole(holeName(node));
  }
  const made = world.expressions
    .values({ node: callee, scope })
    .flatMap((value) =>
      value.kind === "function"
        ? value.info.returns.flatMap((site) =>
            texts(site, { ...asked, frame: frameOf(value.info, node, scope, asked.frame) }),
          )
        : [],
    );
  return made.length === 0 ? hole(holeName(node)) : several(made, node);
}

/** `["user", id].join(":")` */
function joinedList(
  list: Node,
  separator: Node | undefined,
  scope: Scope,
  asked: Asked,
): readonly string[] | null {
  const node = bare(list);
  if (node.type === "Identifier") {
    const declared = scope.lookup(node.name);
    if (
      declared?.kind !== "value" ||
      declared.origin.kind !== "value" ||
      !isWhole(declared.path) ||
      asked.depth > MAX_DEPTH
    ) {
      return null;
    }
    return joinedList(declared.origin.site.node, separator, declared.origin.site.scope, {
      ...asked,
      depth: asked.depth + 1,
    });
  }
  if (node.type === "CallExpression") {
    const callee = bare(node.callee);
    const isFilter =
      callee.type === "MemberExpression" && keyName(callee.property, callee.computed) === "filter";
    return isFilter ? joinedList(callee.object, separator, scope, asked) : null;
  }
  if (node.type !== "ArrayExpression") return null;
  const between = separator === undefined ? [","] : texts({ node: separator, scope }, asked);
  return joined(
    node.elements.flatMap((element, index) => {
      const part =
        element === null || element.type === "SpreadElement"
          ? hole(element === null ? null : holeName(element.argument))
          : texts({ node: element, scope }, asked);
      return index === 0 ? [part] : [between, part];
    }),
  );
}
