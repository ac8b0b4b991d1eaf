/** Assignments, which may stand before what they assign to is declared. */
import type { Scope, Site, SourceFile } from "./model.ts";
import { bare, keyName, type Node } from "./syntax.ts";

/** `name = site`, or `name += site`. */
interface Assigned {
  readonly name: string;
  readonly scope: Scope;
  readonly site: Site;
  readonly appends: boolean;
}

export class Writes {
  readonly #file: SourceFile;
  readonly #properties: { name: string; scope: Scope; property: string | null; site: Site }[] = [];
  readonly #assigned: Assigned[] = [];

  constructor(file: SourceFile) {
    this.#file = file;
  }

  /** Notes an assignment to a name. */
  name(assigned: Assigned): void {
    this.#assigned.push(assigned);
  }

  /** Notes that `owner.property = site`. */
  property(owner: Node, property: string | null, site: Site, scope: Scope): void {
    const target = bare(owner);
    if (target.type === "ThisExpression" && scope.self?.kind === "class") {
      scope.self.info.writes.push({ property, site });
    } else if (target.type === "ThisExpression" && scope.self?.kind === "object") {
      listAt(this.#file.objectWrites, scope.self.site.node).push({ property, site });
    } else if (target.type === "Identifier") {
      // The declaration may come later in the file.
      this.#properties.push({ name: target.name, scope, property, site });
    } else if (
      target.type === "MemberExpression" &&
      bare(target.object).type === "ThisExpression" &&
      scope.self?.kind === "class"
    ) {
      const field = keyName(target.property, target.computed);
      if (field !== null) scope.self.info.writes.push({ property: `${field}.${property ?? "*"}`, site });
    }
  }

  /** Hands assignments to the declarations, which are all known now. */
  settle(): void {
    for (const { name, scope, property, site } of this.#properties) {
      const declared = scope.lookup(name);
      if (declared?.kind === "value") declared.writes.push({ property, site });
      else if (declared?.kind === "class") declared.info.writes.push({ property, site });
    }
    for (const { name, scope, site, appends } of this.#assigned) {
      const declared = scope.lookup(name);
      if (declared?.kind === "value") (appends ? declared.appended : declared.assigned).push(site);
    }
  }
}

/** The list under a key, made when it is not there. */
export function listAt<K, V>(map: Map<K, V[]>, key: K): V[] {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made: V[] = [];
  map.set(key, made);
  return made;
}
