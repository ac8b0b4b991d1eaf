/** From a name to the expressions that it stands for. */
import {
  bare,
  isWhole,
  keyName,
  type Site,
  type SourceFile,
  type ValueDeclaration,
} from "../program/index.ts";
import { type Frame, NO_FRAME } from "./frame.ts";
import { behindTypes, type Value } from "./value.ts";
import { placeOf, type World } from "./world.ts";

export interface Definition {
  /** `absent`: nothing is given there. `unknown`: it comes from where nobody can look. */
  readonly kind: "expression" | "absent" | "unknown";
  /** The expression, or what stands in its place. */
  readonly site: Site;
  readonly frame: Frame;
  /** The call that hands it over, as `src/a.ts:12`. */
  readonly caller: string | null;
}

export interface Lookup {
  readonly world: World;
  readonly frame: Frame;
  readonly depth: number;
  readonly caller: string | null;
}

const MAX_DEPTH = 24;

export const lookupIn = (world: World): Lookup => ({ world, frame: NO_FRAME, depth: 0, caller: null });

/** What an expression is defined as, through names, imports, properties and callers. Anything else is its own definition. */
export function definitions(site: Site, asked: Lookup): readonly Definition[] {
  const node = bare(site.node);
  const { scope } = site;
  const { world, frame, caller } = asked;
  world.guard.step();
  const own: Definition = { kind: "expression", site: { node, scope }, frame, caller };
  if (asked.depth > MAX_DEPTH) return [{ ...own, kind: "unknown" }];
  const deeper: Lookup = { ...asked, depth: asked.depth + 1 };
  if (node.type === "Identifier") {
    if (node.name === "undefined") return [own];
    const declared = scope.lookup(node.name);
    if (declared?.kind === "import") {
      const module = world.imported(declared.file, declared.source);
      const found = module === null ? null : exportedDefinitions(module, declared.name, deeper);
      return found ?? [{ ...own, kind: "unknown" }];
    }
    if (declared?.kind !== "value") return [own];
    const given = frame.get(declared);
    if (given !== undefined) return definitions(given, { ...deeper, frame: NO_FRAME });
    return ofDeclaration(declared, own, deeper);
  }
  if (node.type === "MemberExpression") {
    const name = keyName(node.property, node.computed);
    if (name === null) return [{ ...own, kind: "unknown" }];
    const owner = bare(node.object);
    const values = behindTypes(world.expressions.values({ node: owner, scope }));
    const found = ofProperty(values, name, deeper);
    // One of the objects that a field was given lacks it.
    const isField = owner.type === "MemberExpression" && bare(owner.object).type === "ThisExpression";
    const lacking = isField
      ? values.find((value) => value.kind === "object" && lacks(world, value.site, name))
      : undefined;
    if (lacking?.kind === "object") {
      return [
        ...(found ?? []),
        { kind: "absent", site: lacking.site, frame: NO_FRAME, caller: placeOf(lacking.site) },
      ];
    }
    return found ?? [{ ...own, kind: "unknown" }];
  }
  return [own];
}

/** Whether an object that is written out has no such property, nor spreads another that may. */
function lacks(world: World, site: Site, name: string): boolean {
  if (site.node.type !== "ObjectExpression" || world.members.propertySites(site, name).length > 0) {
    return false;
  }
  return site.node.properties.every((property) => property.type === "Property" && !property.computed);
}

function ofDeclaration(declared: ValueDeclaration, own: Definition, asked: Lookup): readonly Definition[] {
  const { origin, path, assigned, scope } = declared;
  const { world } = asked;
  const later = assigned.flatMap((site) => definitions(site, asked));
  const last = path.at(-1);
  const follow = (site: Site, from: Lookup): readonly Definition[] => {
    if (isWhole(path)) return definitions(site, from);
    if (last === undefined || last.key === null) return [{ ...own, kind: "unknown" }];
    const values = world.expressions.along(world.expressions.values(site), path.slice(0, -1), scope);
    const found = ofProperty(values, last.key, from);
    if (found !== null) return found;
    const isWritten = values.length > 0 && values.every(({ kind }) => kind === "object");
    return (
      fallbackOf(declared, asked) ?? [{ ...own, kind: isWritten ? "absent" : "unknown", caller: from.caller }]
    );
  };
  if (origin.kind === "value") return [...follow(origin.site, asked), ...later];
  if (origin.kind !== "parameter") return later.length > 0 ? later : [{ ...own, kind: "unknown" }];
  const callers = world.callers.argumentSites(origin.fn, origin.index);
  if (callers.length === 0) {
    return [...(fallbackOf(declared, asked) ?? []), { ...own, kind: "unknown" }, ...later];
  }
  return [
    ...callers.flatMap(({ call, site }): readonly Definition[] => {
      const caller = placeOf({ node: call.node, scope: call.scope });
      const from: Lookup = { ...asked, caller };
      if (site === "spread") return [{ ...own, kind: "unknown", caller }];
      if (site === null || (site.node.type === "Identifier" && site.node.name === "undefined")) {
        return fallbackOf(declared, from) ?? [{ ...own, kind: "absent", caller }];
      }
      return follow(site, from);
    }),
    ...later,
  ];
}

function fallbackOf({ path }: ValueDeclaration, asked: Lookup): readonly Definition[] | null {
  const fallback = path.at(-1)?.fallback;
  return fallback ? definitions(fallback, asked) : null;
}

/** Definitions of a property; `null` when nobody knows it. */
function ofProperty(values: readonly Value[], name: string, asked: Lookup): readonly Definition[] | null {
  const { world } = asked;
  const found = behindTypes(values).flatMap((value): readonly Definition[] => {
    switch (value.kind) {
      case "object":
        return world.members.propertySites(value.site, name).flatMap((site) => definitions(site, asked));
      case "enum": {
        const { node, scope } = value.site;
        if (node.type !== "TSEnumDeclaration") return [];
        const member = node.body.members.find(({ id, computed }) => keyName(id, computed) === name);
        return member?.initializer ? definitions({ node: member.initializer, scope }, asked) : [];
      }
      case "module":
        return exportedDefinitions(value.file, name, asked) ?? [];
      case "class":
      case "instance": {
        const isStatic = value.kind === "class";
        const members = world.members.memberOf(value.info, name, isStatic);
        const own = members.flatMap(({ value: site, parameter, fn }): readonly Definition[] => {
          if (parameter !== null) {
            return ofDeclaration(
              parameter,
              { kind: "unknown", site: parameter, frame: NO_FRAME, caller: null },
              asked,
            );
          }
          if (fn?.role === "getter") return fn.returns.flatMap((returned) => definitions(returned, asked));
          return site === null ? [] : definitions(site, asked);
        });
        const written = value.info.writes
          .filter(({ property }) => property === name)
          .flatMap(({ site }) => definitions(site, asked));
        const all = [...own, ...written];
        if (all.length > 0 || asked.depth > MAX_DEPTH) return all;
        const parents = world.expressions.superClasses(value.info).map((info) => ({ ...value, info }));
        return parents.length === 0
          ? []
          : (ofProperty(parents, name, { ...asked, depth: asked.depth + 1 }) ?? []);
      }
      default:
        return [];
    }
  });
  return found.length === 0 ? null : found;
}

function exportedDefinitions(file: SourceFile, name: string, asked: Lookup): readonly Definition[] | null {
  if (asked.depth > MAX_DEPTH) return null;
  const deeper: Lookup = { ...asked, depth: asked.depth + 1 };
  const { world } = asked;
  const found = file.exports.get(name);
  if (found?.kind === "site") return definitions(found.site, deeper);
  if (found?.kind === "local") {
    const declared = file.root.lookup(found.name);
    if (declared?.kind !== "value") return null;
    return ofDeclaration(
      declared,
      { kind: "unknown", site: declared, frame: NO_FRAME, caller: asked.caller },
      deeper,
    );
  }
  if (found?.kind === "elsewhere") {
    const module = world.imported(file, found.source);
    return module === null ? null : exportedDefinitions(module, found.name, deeper);
  }
  for (const source of file.stars) {
    const module = world.imported(file, source);
    const behind = module === null ? null : exportedDefinitions(module, name, deeper);
    if (behind !== null) return behind;
  }
  return file.commonjs === null ? null : ofProperty(world.expressions.values(file.commonjs), name, deeper);
}
