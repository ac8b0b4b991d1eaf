/** A call as one line of text that reformatting does not change. */
import { keyName, type Node } from "../program/index.ts";

const MAX_LENGTH = 400;

/** One spacing, one kind of quotes, no comments, no trailing commas, no parentheses that only group. */
export function canonicalCode(node: Node, text: string): string {
  const code = print(node, text, 0);
  return code.length > MAX_LENGTH ? `${code.slice(0, MAX_LENGTH - 1)}…` : code;
}

const list = (nodes: readonly (Node | null)[], text: string, depth: number): string =>
  nodes.map((node) => (node === null ? "" : print(node, text, depth))).join(", ");

function print(node: Node, text: string, depth: number): string {
  if (depth > 40) return "…";
  const inner = (child: Node): string => print(child, text, depth + 1);
  switch (node.type) {
    case "Identifier":
      return node.name;
    case "PrivateIdentifier":
      return `#${node.name}`;
    case "ThisExpression":
      return "this";
    case "Super":
      return "super";
    case "Literal":
      return typeof node.value === "string" ? JSON.stringify(node.value) : text.slice(node.start, node.end);
    case "TemplateLiteral":
      return `\`${node.quasis
        .map(({ value }, index) => {
          const expression = node.expressions[index];
          return value.raw + (expression === undefined ? "" : `\${${inner(expression)}}`);
        })
        .join("")}\``;
    case "ParenthesizedExpression":
    case "ChainExpression":
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSInstantiationExpression":
      return inner(node.expression);
    case "AwaitExpression":
      return `(await ${inner(node.argument)})`;
    case "SpreadElement":
      return `...${inner(node.argument)}`;
    case "MemberExpression": {
      const name = keyName(node.property, node.computed);
      const object = inner(node.object);
      if (name !== null && /^#?[\w$]+$/.test(name)) return `${object}${node.optional ? "?." : "."}${name}`;
      return `${object}${node.optional ? "?." : ""}[${inner(node.property)}]`;
    }
    case "CallExpression":
      return `${inner(node.callee)}${node.optional ? "?." : ""}(${list(node.arguments, text, depth + 1)})`;
    case "NewExpression":
      return `new ${inner(node.callee)}(${list(node.arguments, text, depth + 1)})`;
    case "ArrayExpression":
      return `[${list(node.elements, text, depth + 1)}]`;
    case "ObjectExpression":
      return node.properties.length === 0 ? "{}" : `{ ${list(node.properties, text, depth + 1)} }`;
    case "Property": {
      const name = keyName(node.key, node.computed);
      const key =
        name === null ? `[${inner(node.key)}]` : /^[\w$]+$/.test(name) ? name : JSON.stringify(name);
      return node.shorthand ? key : `${key}: ${inner(node.value)}`;
    }
    case "BinaryExpression":
    case "LogicalExpression":
      return `(${node.left.type === "PrivateIdentifier" ? `#${node.left.name}` : inner(node.left)} ${node.operator} ${inner(node.right)})`;
    case "UnaryExpression":
      return `${node.operator}${/[a-z]/.test(node.operator) ? " " : ""}${inner(node.argument)}`;
    case "ConditionalExpression":
      return `(${inner(node.test)} ? ${inner(node.consequent)} : ${inner(node.alternate)})`;
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return "(…) => …";
    default:
      return node.type;
  }
}
