/** Whether the options of a put give its value a time to live. */
import type { Ttl } from "../model.ts";
import {
  ASSIGNED,
  bare,
  type CallNode,
  calleeName,
  keyName,
  type Node,
  type Scope,
  type Site,
} from "../program/index.ts";
import { type Definition, definitions, type Lookup, lookupIn } from "./definitions.ts";
import { frameOf } from "./frame.ts";
import { numberOf } from "./number.ts";
import { textsOf } from "./text.ts";
import { placeOf, type World } from "./world.ts";

/** `expirationTtl` is in seconds from now, `expiration` in seconds since 1970. */
const LIFETIMES: ReadonlySet<string> = new Set(["expirationTtl", "expiration"]);

interface Finding {
  readonly ttl: Ttl;
  readonly caller: string | null;
}

const no = (why: string): Ttl => ({ verdict: "no", why });
const unknown = (why: string): Ttl => ({ verdict: "unknown", why });

/**
 * @param options the third argument; `null` when there is none
 * @param call the put, for arguments that are spread
 */
export function lifetimeOf(
  world: World,
  options: Site | "spread" | null,
  call: { readonly node: CallNode; readonly scope: Scope },
): Ttl {
  if (options === null) return no("no options are given");
  if (options === "spread") return forwarded(world, call);
  return together(findings(options, lookupIn(world)));
}

/** Of several callers one without is enough; of several ways in one place nobody knows which is taken. */
function together(found: readonly Finding[]): Ttl {
  const [first] = found;
  if (first === undefined) return unknown("nothing is known of its options");
  const without = found.find(({ ttl, caller }) => ttl.verdict === "no" && caller !== null);
  if (without !== undefined) return no(`called without at ${without.caller ?? ""}: ${without.ttl.why}`);
  const lacking = found.find(({ ttl }) => ttl.verdict === "unknown");
  if (lacking !== undefined) return lacking.ttl;
  const verdicts = new Set(found.map(({ ttl }) => ttl.verdict));
  if (verdicts.size > 1) return unknown("given in some cases and not in others");
  if (first.ttl.verdict !== "yes") return first.ttl;
  const seconds = found.map(({ ttl }) => (ttl.verdict === "yes" ? ttl.seconds : null));
  const shortest = seconds.every((value) => value !== null) ? Math.min(...seconds) : null;
  return { ...first.ttl, seconds: shortest };
}

/** `put(...args)`, where `args` are the arguments of the function that holds it. */
function forwarded(world: World, { node, scope }: { readonly node: CallNode; readonly scope: Scope }): Ttl {
  const open = unknown("its arguments are spread from a list");
  const at = node.arguments.findIndex(({ type }) => type === "SpreadElement");
  const spread = node.arguments[at];
  const list = spread?.type === "SpreadElement" ? bare(spread.argument) : null;
  const declared = list?.type === "Identifier" ? scope.lookup(list.name) : null;
  if (declared?.kind !== "value" || declared.origin.kind !== "parameter" || !declared.origin.rest) {
    return open;
  }
  const { fn, index } = declared.origin;
  const callers = world.callers.argumentSites(fn, index + 2 - at);
  if (callers.length === 0) return open;
  const found = callers.flatMap(({ call, site }): readonly Finding[] => {
    const caller = placeOf(call);
    if (site === "spread") return [{ ttl: open, caller }];
    if (site === null) return [{ ttl: no("no options are given"), caller }];
    return findings(site, { ...lookupIn(world), caller });
  });
  return together(found);
}

function findings(site: Site, asked: Lookup): readonly Finding[] {
  if (asked.depth > 24) {
    return [{ ttl: unknown("its options are followed no further"), caller: asked.caller }];
  }
  const mutated = writtenLater(site, asked);
  if (mutated !== null) return [{ ttl: mutated, caller: asked.caller }];
  return definitions(site, asked).flatMap((definition) => ofDefinition(definition, asked));
}

/** One thing that happens to an object after it was made. */
interface Write {
  readonly name: string;
  readonly site: Site;
}

/** `options.expirationTtl = 60`, `delete options.expirationTtl`, `Object.assign(options, …)` between the declaration and the use. */
function writtenLater({ node: written, scope }: Site, asked: Lookup): Ttl | null {
  const node = bare(written);
  if (node.type !== "Identifier") return null;
  const declared = scope.lookup(node.name);
  if (declared?.kind !== "value") return null;
  const isHere = ({ site }: { readonly site: Site }): boolean =>
    site.scope.fn === scope.fn && site.node.end <= node.start;
  const writes = declared.writes.flatMap(({ property, site }): readonly Write[] =>
    property !== null && (LIFETIMES.has(property) || property === ASSIGNED) && isHere({ site })
      ? [{ name: property, site }]
      : [],
  );
  if (writes.length === 0) return null;
  const first = together(
    definitions({ node, scope }, asked).flatMap((definition) => ofDefinition(definition, asked)),
  );
  return writes.reduce<Ttl>((before, write, index) => {
    const ttl = ofWrite(write, asked, before);
    const { arm } = write.site.scope;
    if (arm === null || arm === declared.scope.arm) return ttl;
    // Both arms of an `if` write: one of them is taken.
    const other = writes
      .slice(0, index)
      .find(({ site }) => site.scope.arm?.branch === arm.branch && site.scope.arm.taken !== arm.taken);
    const beside = other === undefined ? before : ofWrite(other, asked, before);
    if (beside.verdict === ttl.verdict) return either(beside, ttl, "");
    return unknown(
      `${write.name === ASSIGNED ? "it" : write.name} is set on some ways only (${placeOf(write.site)})`,
    );
  }, first);
}

function ofWrite({ name, site }: Write, asked: Lookup, before: Ttl): Ttl {
  if (name !== ASSIGNED) return ofValue(name, site, asked);
  const added = together(findings(site, { ...asked, depth: asked.depth + 1 }));
  return added.verdict === "no" ? before : added;
}

function ofDefinition({ kind, site, frame, caller }: Definition, asked: Lookup): readonly Finding[] {
  if (kind === "absent") return [{ ttl: no("no options are given"), caller }];
  const from: Lookup = { ...asked, frame, caller, depth: asked.depth + 1 };
  if (kind === "unknown") {
    return [{ ttl: unknown(`its options come from ${describe(site)}, which is not known`), caller }];
  }
  return ofExpression(site, from);
}

const describe = ({ node, scope }: Site): string => {
  const text = scope.file.text.slice(node.start, node.end).replace(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

function ofExpression(site: Site, asked: Lookup): readonly Finding[] {
  const node = bare(site.node);
  const { scope } = site;
  const { caller } = asked;
  const one = (ttl: Ttl): readonly Finding[] => [{ ttl, caller }];
  switch (node.type) {
    case "ObjectExpression":
      return one(ofObject({ node, scope }, asked));
    case "Literal":
      return one(no("its options are no object"));
    case "Identifier":
      return one(
        node.name === "undefined"
          ? no("undefined is given as options")
          : unknown(`its options come from ${node.name}, which is not known`),
      );
    case "ConditionalExpression": {
      const [a, b] = [
        findings({ node: node.consequent, scope }, asked),
        findings({ node: node.alternate, scope }, asked),
      ];
      return one(either(together(a), together(b), describe({ node: node.test, scope })));
    }
    case "LogicalExpression": {
      const [a, b] = [
        together(findings({ node: node.left, scope }, asked)),
        together(findings({ node: node.right, scope }, asked)),
      ];
      if (node.operator === "&&") {
        return one(either(b, no("nothing is given otherwise"), describe({ node: node.left, scope })));
      }
      const left = bare(node.left);
      const isAbsent = left.type === "Literal" || (left.type === "Identifier" && left.name === "undefined");
      return one(isAbsent ? b : either(a, b, describe({ node: node.left, scope })));
    }
    case "CallExpression":
      return ofCall({ node, scope }, asked);
    default:
      return one(unknown(`its options come from ${describe(site)}, which is not known`));
  }
}

function either(a: Ttl, b: Ttl, condition: string): Ttl {
  if (a.verdict === "yes" && b.verdict === "yes") {
    return {
      ...a,
      seconds: a.seconds === null || b.seconds === null ? null : Math.min(a.seconds, b.seconds),
    };
  }
  if (a.verdict === b.verdict) return a;
  if (a.verdict === "unknown") return a;
  if (b.verdict === "unknown") return b;
  return unknown(`given or not as ${condition} decides`);
}

function ofObject({ node, scope }: Site, asked: Lookup): Ttl {
  if (node.type !== "ObjectExpression") return unknown("its options are no object");
  let state: Ttl = no("its options have neither expirationTtl nor expiration");
  for (const property of node.properties) {
    if (property.type === "SpreadElement") {
      const spread = together(findings({ node: property.argument, scope }, asked));
      // What is spread adds; what it lacks takes nothing away.
      if (spread.verdict === "yes" || (spread.verdict === "unknown" && state.verdict === "no")) {
        state = spread;
      }
      continue;
    }
    const written = keyName(property.key, property.computed);
    const computed = written === null ? textsOf(asked.world, { node: property.key, scope }) : [];
    const name =
      written ?? (computed.length === 1 && !computed[0]?.includes("{") ? (computed[0] ?? null) : null);
    if (name !== null && LIFETIMES.has(name)) state = ofValue(name, { node: property.value, scope }, asked);
    else if (name === null && state.verdict === "no") {
      state = unknown("a property of its options has a computed name");
    }
  }
  return state;
}

/** The value of `expirationTtl` or `expiration`. */
function ofValue(name: string, site: Site, asked: Lookup): Ttl {
  const found = definitions(site, asked);
  const absent = found.find(({ kind, site: at }) => kind === "absent" || isUndefined(at));
  if (absent !== undefined) {
    const where = absent.caller === null ? placeOf(absent.site) : absent.caller;
    const given = found.some(
      (other) => other !== absent && other.kind === "expression" && !isUndefined(other.site),
    );
    // Of several callers one without is enough.
    return absent.caller === null && given
      ? unknown(`${name} is undefined in some cases (${where})`)
      : no(`${name} is undefined (${where})`);
  }
  const optional = found.find(({ kind, site: at }) => kind === "unknown" && isOptional(at));
  if (optional !== undefined) return unknown(`${name} is ${describe(site)}, which may be undefined`);
  if (
    found.some((definition) => definition.kind === "expression" && mayBeUndefined(definition.site, asked))
  ) {
    return unknown(`${name} is ${describe(site)}, which may be undefined`);
  }
  const seconds = name === "expirationTtl" ? numberOf(site, asked) : null;
  const how = seconds === null ? `${name} is ${describe(site)}` : `${name} is ${seconds} s`;
  return { verdict: "yes", seconds, why: how };
}

function isUndefined({ node: written }: Site): boolean {
  const node = bare(written);
  if (node.type === "UnaryExpression") return node.operator === "void";
  return (
    (node.type === "Identifier" && node.name === "undefined") ||
    (node.type === "Literal" && node.value === null)
  );
}

/** Whether one of the ways through an expression ends with undefined. */
function mayBeUndefined({ node: written, scope }: Site, asked: Lookup): boolean {
  const node = bare(written);
  if (asked.depth > 12) return false;
  const ends = (end: Node): boolean =>
    isUndefined({ node: end, scope }) ||
    mayBeUndefined({ node: end, scope }, { ...asked, depth: asked.depth + 1 });
  switch (node.type) {
    case "ConditionalExpression":
      return ends(node.consequent) || ends(node.alternate);
    case "LogicalExpression":
      return node.operator === "&&" || ends(node.right);
    case "CallExpression":
      return asked.world.expressions.values({ node: node.callee, scope }).some((value) => {
        if (value.kind !== "function") return false;
        const type = "returnType" in value.info.node ? value.info.node.returnType?.typeAnnotation : undefined;
        if (type !== undefined) {
          return type.type === "TSUnionType" && type.types.some((part) => part.type === "TSUndefinedKeyword");
        }
        return value.info.returns.some(
          (returned) =>
            isUndefined(returned) || mayBeUndefined(returned, { ...asked, depth: asked.depth + 1 }),
        );
      });
    default:
      return false;
  }
}

/** A parameter or property that is declared with `?`. */
function isOptional({ node, scope }: Site): boolean {
  const declared = node.type === "Identifier" ? scope.lookup(node.name) : null;
  const at = declared?.kind === "value" ? declared.node : node;
  return "optional" in at && at.optional === true;
}

function ofCall({ node, scope }: Site, asked: Lookup): readonly Finding[] {
  const { world, caller } = asked;
  if (node.type !== "CallExpression") return [];
  const callee = bare(node.callee);
  const name = calleeName(callee);
  const isObject =
    callee.type === "MemberExpression" &&
    bare(callee.object).type === "Identifier" &&
    calleeName(callee.object) === "Object";
  if (isObject && (name === "freeze" || name === "seal")) {
    const [first] = node.arguments;
    return first === undefined ? [] : findings({ node: first, scope }, asked);
  }
  if (isObject && name === "assign") {
    const parts = node.arguments.map((argument) => together(findings({ node: argument, scope }, asked)));
    const given =
      parts.findLast(({ verdict }) => verdict === "yes") ??
      parts.find(({ verdict }) => verdict === "unknown") ??
      parts[0];
    return given === undefined ? [] : [{ ttl: given, caller }];
  }
  const made = world.expressions.values({ node: callee, scope }).flatMap((value) => {
    if (value.kind !== "function") return [];
    const frame = frameOf(value.info, node, scope, asked.frame);
    return value.info.returns.flatMap((returned) =>
      findings(returned, { ...asked, frame, depth: asked.depth + 1 }),
    );
  });
  if (made.length === 0) {
    return [
      { ttl: unknown(`its options come from ${describe({ node, scope })}, which is not known`), caller },
    ];
  }
  const verdicts = new Set(made.map(({ ttl }) => ttl.verdict));
  return verdicts.size === 1
    ? [{ ttl: together(made), caller }]
    : [{ ttl: unknown(`${name ?? "a function"} gives it in some cases and not in others`), caller }];
}
