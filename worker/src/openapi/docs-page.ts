/**
 * The OpenAPI document as one page: rendered here, so that it needs no script
 * and loads nothing, from this host or from any other.
 */
import { html, raw } from "hono/html";
import { PROBLEMS, problemType, type ProblemKind } from "../http/index.ts";
import { DOCS_STYLE } from "./docs-style.ts";
import type { OpenApiDocument } from "./document.ts";
import { exampleOf, referenceName, type Schema, type Schemas } from "./example.ts";
import { operationGroups, type Operation, type OperationGroup } from "./operations.ts";

type Html = ReturnType<typeof html>;

/** Schemas by media type. */
type Content = Readonly<Record<string, { readonly schema?: Schema } | undefined>>;

const CREDENTIALS: Readonly<Record<string, string>> = {
  apiKey: "$API_KEY",
  bearer: "$API_KEY",
  adminToken: "$ADMIN_TOKEN",
};

function code(text: string): Html {
  return html`<code>${text}</code>`;
}

/** Descriptions mark code with backticks, as in CommonMark. */
function prose(text: string | undefined): Html[] {
  return (text ?? "").split("`").map((part, index) => (index % 2 === 1 ? code(part) : html`${part}`));
}

function schemaLink(schema: Schema | undefined): Html {
  const name = schema === undefined ? null : referenceName(schema);
  return name === null ? html`` : html`<a href="#schema-${name}">${name}</a>`;
}

const JSON_TYPE = "application/json";
const PROBLEM_TYPE = "application/problem+json";

function bodyContent({ definition }: Operation): Content {
  const body = definition.requestBody;
  return body === undefined || "$ref" in body ? {} : body.content;
}

function bodySchema(operation: Operation): Schema | undefined {
  return bodyContent(operation)[JSON_TYPE]?.schema;
}

/** The JSON schema of a content, and the other types that it may have. */
function shapes(content: Content): Html {
  const others = Object.keys(content).filter((type) => type !== JSON_TYPE && type !== PROBLEM_TYPE);
  return html`${schemaLink(content[JSON_TYPE]?.schema)} ${others.map((type) => html`${code(type)} `)}`;
}

/** The address, with an example for every parameter that has to be there. */
function exampleAddress({ path, definition }: Operation, schemas: Schemas): string {
  const query = new URLSearchParams();
  for (const parameter of definition.parameters ?? []) {
    if ("$ref" in parameter || parameter.in !== "query" || parameter.required !== true) continue;
    query.set(parameter.name, String(exampleOf(parameter.schema, schemas)));
  }
  const address = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => `$${name.toUpperCase()}`);
  return query.size === 0 ? address : `${address}?${query}`;
}

function curl(operation: Operation, schemas: Schemas): string {
  const [credential] = Object.keys(operation.definition.security?.[0] ?? {});
  const token = CREDENTIALS[credential ?? ""];
  const schema = bodySchema(operation);
  const lines = [
    `curl -X ${operation.method} "$HUB${exampleAddress(operation, schemas)}"`,
    ...(token === undefined ? [] : [`-H "authorization: Bearer ${token}"`]),
    ...(schema === undefined
      ? []
      : ['-H "content-type: application/json"', `-d '${JSON.stringify(exampleOf(schema, schemas))}'`]),
  ];
  return lines.join(" \\\n  ");
}

function parameters({ definition }: Operation): Html {
  const rows = (definition.parameters ?? []).flatMap((parameter) =>
    "$ref" in parameter
      ? []
      : [
          html`<tr>
            <td>${code(parameter.name)}</td>
            <td>${parameter.in}${parameter.required === true ? ", required" : ""}</td>
            <td>${prose(parameter.description ?? parameter.schema?.description)}</td>
          </tr>`,
        ],
  );
  if (rows.length === 0) return html``;
  return html`<h3>Parameters</h3>
    <table>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Where</th>
          <th scope="col">Meaning</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

function body(operation: Operation): Html {
  const content = bodyContent(operation);
  return Object.keys(content).length === 0
    ? html``
    : html`<h3>Body</h3>
        <p>${shapes(content)}</p>`;
}

function responses({ definition }: Operation): Html {
  const rows = Object.entries(definition.responses ?? {}).map(
    ([status, response]) =>
      html`<tr>
        <td>${code(status)}</td>
        <td>${prose(response.description)}</td>
        <td>${shapes(response.content ?? {})}</td>
      </tr>`,
  );
  return html`<h3>Answers</h3>
    <table>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Meaning</th>
          <th scope="col">Shape</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

function operationSection(operation: Operation, schemas: Schemas): Html {
  const { method, path, definition } = operation;
  return html`<details>
    <summary>
      <span class="method ${method}">${method}</span> ${code(path)}
      <span class="dim">${definition.summary}</span>
    </summary>
    <div id="${definition.operationId ?? path}">
      <p>${prose(definition.description)}</p>
      ${parameters(operation)} ${body(operation)} ${responses(operation)}
      <h3>Example</h3>
      <pre>${curl(operation, schemas)}</pre>
    </div>
  </details>`;
}

function groupSection({ tag, description, operations }: OperationGroup, schemas: Schemas): Html {
  return html`<section id="${tag}">
    <h2>${tag}</h2>
    <p class="dim">${description}</p>
    ${operations.map((operation) => operationSection(operation, schemas))}
  </section>`;
}

function schemaSection([name, schema]: [string, Schema]): Html {
  return html`<details>
    <summary>${code(name)}</summary>
    <div id="schema-${name}"><pre>${JSON.stringify(schema, null, 2)}</pre></div>
  </details>`;
}

function problemRow(kind: ProblemKind): Html {
  const { status, title } = PROBLEMS[kind];
  return html`<tr>
    <td>${code(String(status))}</td>
    <td>${code(problemType(kind))}</td>
    <td>${title}</td>
  </tr>`;
}

function problemKinds(): ProblemKind[] {
  return Object.keys(PROBLEMS).filter((kind): kind is ProblemKind => kind in PROBLEMS);
}

/**
 * The page.
 * @param nonce of the Content-Security-Policy that allows its style
 */
export function docsPage(document: OpenApiDocument, nonce: string): Html {
  const schemas = document.components?.schemas ?? {};
  const groups = operationGroups(document);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="icon" href="data:," />
        <title>${document.info.title}</title>
        <style nonce="${nonce}">
          ${raw(DOCS_STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${document.info.title}</h1>
          <p>${prose(document.info.description)}</p>
          <nav aria-label="Sections">
            <ul>
              ${groups.map(({ tag }) => html`<li><a href="#${tag}">${tag}</a></li>`)}
              <li><a href="#schemas">schemas</a></li>
              <li><a href="#problems">problems</a></li>
              <li><a href="/openapi.json">openapi.json</a></li>
            </ul>
          </nav>
        </header>
        <main>
          ${groups.map((group) => groupSection(group, schemas))}
          <section id="schemas">
            <h2>Schemas</h2>
            ${Object.entries(schemas).map(schemaSection)}
          </section>
          <section id="problems">
            <h2>Problems</h2>
            <table>
              <thead>
                <tr>
                  <th scope="col">Status</th>
                  <th scope="col">Type</th>
                  <th scope="col">Meaning</th>
                </tr>
              </thead>
              <tbody>
                ${problemKinds().map(problemRow)}
              </tbody>
            </table>
          </section>
        </main>
      </body>
    </html>`;
}
