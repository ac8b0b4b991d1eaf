/** The ways by which the runtime reaches a call. */
import type { CallPath, Loop, TriggerKind } from "../model.ts";
import {
  bare,
  calleeName,
  type CallRecord,
  type FunctionInfo,
  keyName,
  type LoopFrame,
  type Scope,
  type Self,
} from "../program/index.ts";
import { type Caller, nameOf, type World } from "../resolve/index.ts";

const MAX_PATHS = 8;
const MAX_DEPTH = 24;
const MAX_VISITS = 400;

const HANDLER_TRIGGERS: ReadonlyMap<string, TriggerKind> = new Map([
  ["fetch", "request"],
  ["scheduled", "cron"],
  ["queue", "queue"],
  ["email", "email"],
  ["tail", "request"],
  ["trace", "request"],
]);
const OBJECT_TRIGGERS: ReadonlyMap<string, TriggerKind> = new Map([
  ...HANDLER_TRIGGERS,
  ["alarm", "alarm"],
  ["webSocketMessage", "request"],
  ["webSocketClose", "request"],
  ["webSocketError", "request"],
  ["run", "queue"],
]);
/** Classes of the platform whose methods the runtime calls. */
const PLATFORM_CLASSES: ReadonlySet<string> = new Set([
  "DurableObject",
  "WorkerEntrypoint",
  "WorkflowEntrypoint",
  "Agent",
  "AIChatAgent",
  "McpAgent",
]);
/** Methods of routers that take a handler. */
const ROUTES: ReadonlySet<string> = new Set([
  "get",
  "post",
  "put",
  "delete",
  "patch",
  "head",
  "options",
  "all",
  "use",
  "on",
  "route",
  "onError",
  "notFound",
  "openapi",
  "handle",
  "query",
  "mutation",
  "add",
]);
const PAGES_HANDLER = /^onRequest(?:Get|Post|Put|Patch|Delete|Head|Options)?$/;
/** Handlers of frameworks that are called for each request. */
const FRAMEWORK_HANDLERS: ReadonlySet<string> = new Set([
  "loader",
  "action",
  "load",
  "handle",
  "GET",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "middleware",
  "onRequest",
]);

type LoopsOf = (frame: LoopFrame | null) => readonly Loop[];

interface Walk {
  readonly world: World;
  readonly loopsOf: LoopsOf;
  readonly found: CallPath[];
  visits: number;
}

/** Up to eight ways from a handler to the place; none when no handler is known to reach it. */
export function pathsTo(
  scope: Scope,
  frame: LoopFrame | null,
  world: World,
  loopsOf: LoopsOf,
): readonly CallPath[] {
  const walk: Walk = { world, loopsOf, found: [], visits: 0 };
  climb(scope, [], loopsOf(frame), new Set(), walk);
  return distinct(walk.found);
}

function climb(
  scope: Scope,
  via: readonly string[],
  loops: readonly Loop[],
  seen: ReadonlySet<FunctionInfo>,
  walk: Walk,
): void {
  const { fn } = scope;
  walk.world.guard.step();
  walk.visits += 1;
  if (walk.found.length >= MAX_PATHS || seen.size > MAX_DEPTH || walk.visits > MAX_VISITS) return;
  if (fn === null) {
    if (via.length === 0) {
      walk.found.push({ trigger: "startup", entry: `${scope.file.path}#<module>`, via: ["<module>"], loops });
    }
    return;
  }
  if (seen.has(fn)) return;
  const isInline = fn.names.length === 0 || fn.passed !== null;
  const here =
    isInline && fn.passed === null
      ? via
      : [nameOf(fn), ...via].filter((name, index, all) => name !== all[index + 1]);
  const trigger = triggerOf(fn, walk.world);
  if (trigger !== null) {
    walk.found.push({ trigger, entry: `${fn.file.path}#${nameOf(fn)}`, via: here, loops });
    return;
  }
  const next = new Set([...seen, fn]);
  for (const caller of walk.world.callers.of(fn)) follow(caller, fn, here, loops, next, walk);
  // A function that nobody calls by name runs where it is written: an IIFE, a closure that is handed back.
  if (walk.world.callers.of(fn).length === 0 && fn.outer.fn !== null) {
    climb(fn.outer, here, loops, next, walk);
  }
}

function follow(
  { call, handedOver }: Caller,
  fn: FunctionInfo,
  via: readonly string[],
  loops: readonly Loop[],
  seen: ReadonlySet<FunctionInfo>,
  walk: Walk,
): void {
  const route = handedOver === null ? null : routeOf(call, walk.world);
  if (route !== null) {
    const { file } = call.scope;
    walk.found.push({ trigger: route, entry: `${file.path}#${nameOf(fn)}`, via, loops });
    return;
  }
  climb(call.scope, via, [...walk.loopsOf(call.loops), ...loops], seen, walk);
}

/** What makes the runtime call a function itself. */
function triggerOf(fn: FunctionInfo, world: World): TriggerKind | null {
  const { member } = fn;
  const name = fn.names.at(-1) ?? "";
  if (member?.kind === "class") return classTrigger(member, name, world);
  if (member?.kind === "object") {
    const trigger = HANDLER_TRIGGERS.get(name);
    return trigger !== undefined && hasDefaultExport(fn) ? trigger : null;
  }
  const exported = [...fn.file.exports].some(
    ([key, found]) =>
      (key === name || found.kind === "local") &&
      (found.kind !== "local" || found.name === name) &&
      key === name,
  );
  if (exported && PAGES_HANDLER.test(name)) return "request";
  if (exported && FRAMEWORK_HANDLERS.has(name) && fn.outer.parent === null) return "request";
  for (const { key } of world.callers.properties(fn)) {
    const trigger = HANDLER_TRIGGERS.get(key);
    if (trigger !== undefined) return trigger;
  }
  return null;
}

function hasDefaultExport({ file }: FunctionInfo): boolean {
  return file.exports.has("default") || file.commonjs !== null;
}

function classTrigger(
  { info }: Extract<Self, { kind: "class" }>,
  name: string,
  world: World,
): TriggerKind | null {
  const parent = info.superClass === null ? null : calleeName(info.superClass.node);
  const isPlatform = parent !== null && PLATFORM_CLASSES.has(parent);
  const inherits =
    !isPlatform &&
    world.expressions
      .superClasses(info)
      .some(
        (base) => base.superClass !== null && PLATFORM_CLASSES.has(calleeName(base.superClass.node) ?? ""),
      );
  if (isPlatform || inherits) {
    const own = OBJECT_TRIGGERS.get(name);
    if (own !== undefined) return own;
    const isPublic =
      !name.startsWith("#") && !name.startsWith("_") && name !== "constructor" && !isPrivate(info, name);
    return isPublic && parent !== "WorkflowEntrypoint" ? "rpc" : null;
  }
  // A Durable Object of the older kind extends nothing.
  if (
    info.superClass === null &&
    (name === "fetch" || name === "alarm") &&
    isExported(info.file.exports.keys(), info.name)
  ) {
    return OBJECT_TRIGGERS.get(name) ?? null;
  }
  return null;
}

function isPrivate({ node }: Extract<Self, { kind: "class" }>["info"], name: string): boolean {
  return node.body.body.some(
    (element) =>
      element.type === "MethodDefinition" &&
      keyName(element.key, element.computed) === name &&
      (element.accessibility === "private" || element.accessibility === "protected"),
  );
}

const isExported = (names: Iterable<string>, name: string | null): boolean =>
  name !== null && [...names].some((exported) => exported === name || exported === "default");

/** Whether a call hands its function to a router or an event. */
function routeOf({ node, scope }: CallRecord, world: World): TriggerKind | null {
  const callee = bare(node.callee);
  if (callee.type === "Identifier" && callee.name === "addEventListener") {
    const [event] = node.arguments;
    const name = event?.type === "Literal" ? String(event.value) : "";
    return HANDLER_TRIGGERS.get(name) ?? null;
  }
  if (callee.type !== "MemberExpression") return null;
  const name = keyName(callee.property, callee.computed);
  if (name === null || !ROUTES.has(name)) return null;
  const receiver = world.expressions.values({ node: callee.object, scope });
  // A router comes from a package; what is of this program is followed instead.
  return receiver.every(({ kind }) => kind === "other" || kind === "foreign") ? "request" : null;
}

/** Each way once, in a fixed order. */
function distinct(paths: readonly CallPath[]): readonly CallPath[] {
  const keyed = new Map(paths.map((path) => [JSON.stringify(path), path]));
  return [...keyed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}
