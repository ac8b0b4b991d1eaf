/** The operations of an OpenAPI document, flat and in the order of its tags. */
import type { OpenApiDocument } from "./document.ts";

type PathItem = NonNullable<OpenApiDocument["paths"]>[string];
export type OperationObject = NonNullable<PathItem["get"]>;

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tag: string;
  readonly definition: OperationObject;
}

export interface OperationGroup {
  readonly tag: string;
  readonly description: string;
  readonly operations: readonly Operation[];
}

function operations(document: OpenApiDocument): readonly Operation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const definition = item[method];
      return definition === undefined
        ? []
        : [{ method: method.toUpperCase(), path, tag: definition.tags?.[0] ?? "", definition }];
    }),
  );
}

/** All operations, by tag. */
export function operationGroups(document: OpenApiDocument): readonly OperationGroup[] {
  const all = operations(document);
  return (document.tags ?? []).map(({ name, description }) => ({
    tag: name,
    description: description ?? "",
    operations: all.filter(({ tag }) => tag === name),
  }));
}
