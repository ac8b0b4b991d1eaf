/** Numbers that can be read from the source. */
import { bare, calleeName, type Site } from "../program/index.ts";
import { definitions, type Lookup } from "./definitions.ts";
import { frameOf } from "./frame.ts";

const OPERATORS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "**": (a, b) => a ** b,
};

const ROUNDED: Readonly<Record<string, (...values: number[]) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round: Math.round,
  trunc: Math.trunc,
  max: Math.max,
  min: Math.min,
  Number,
  parseInt: (value) => Math.trunc(value ?? Number.NaN),
};

/** @returns the number that an expression is, where it is one and the same wherever it comes from; else `null` */
export function numberOf(site: Site, asked: Lookup): number | null {
  if (asked.depth > 24) return null;
  const found = definitions(site, asked).map((definition) => {
    if (definition.kind !== "expression") return null;
    return written(definition.site, { ...asked, frame: definition.frame, depth: asked.depth + 1 });
  });
  const [first = null] = found;
  return first !== null && found.every((number) => number === first) ? first : null;
}

function written({ node: given, scope }: Site, asked: Lookup): number | null {
  const node = bare(given);
  switch (node.type) {
    case "Literal": {
      const number =
        typeof node.value === "number"
          ? node.value
          : typeof node.value === "string"
            ? Number(node.value)
            : Number.NaN;
      return Number.isFinite(number) ? number : null;
    }
    case "UnaryExpression": {
      const number = numberOf({ node: node.argument, scope }, asked);
      return number === null || (node.operator !== "-" && node.operator !== "+")
        ? null
        : node.operator === "-"
          ? -number
          : number;
    }
    case "BinaryExpression": {
      const [left, right] = [
        numberOf({ node: node.left, scope }, asked),
        numberOf({ node: node.right, scope }, asked),
      ];
      const apply = OPERATORS[node.operator];
      return left === null || right === null || apply === undefined ? null : apply(left, right);
    }
    case "CallExpression": {
      const name = calleeName(node.callee);
      const round = name === null ? undefined : Object.hasOwn(ROUNDED, name) ? ROUNDED[name] : undefined;
      if (round !== undefined) {
        const numbers = node.arguments.map((argument) => numberOf({ node: argument, scope }, asked));
        const known = numbers.filter((number) => number !== null);
        return known.length === numbers.length ? round(...known) : null;
      }
      const made = asked.world.expressions.values({ node: node.callee, scope }).flatMap((value) =>
        value.kind === "function"
          ? value.info.returns.map((returned) =>
              numberOf(returned, {
                ...asked,
                frame: frameOf(value.info, node, scope, asked.frame),
                depth: asked.depth + 1,
              }),
            )
          : [null],
      );
      const [first = null] = made;
      return made.every((number) => number === first) ? first : null;
    }
    default:
      return null;
  }
}
