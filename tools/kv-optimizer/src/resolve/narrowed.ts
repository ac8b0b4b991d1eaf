/** What is left of a union where a condition has ruled parts of it out. */
import type { Fact, Scope, Site } from "../program/index.ts";
import type { Value } from "./value.ts";
import type { World } from "./world.ts";

/** @param name the name that is used at `site`, whose values these are */
export function narrowed(
  world: World,
  values: readonly Value[],
  name: string,
  { node, scope }: Site,
): readonly Value[] {
  if (values.length < 2) return values;
  const facts = factsAt(scope, name, node.start);
  if (facts.length === 0) return values;
  const left = values.filter((value) => facts.every((fact) => agrees(world, value, fact)));
  return left.length === 0 ? values : left;
}

function factsAt(scope: Scope, name: string, offset: number): readonly Fact[] {
  const facts: Fact[] = [];
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    for (const { from, fact } of at.facts) if (fact.name === name && from <= offset) facts.push(fact);
    if (at.names.has(name)) break;
  }
  return facts;
}

/** Whether a value may be what the fact says; one of which the property is not known may. */
function agrees(world: World, value: Value, { property, text, holds }: Fact): boolean {
  if (value.kind !== "shape") return true;
  const texts = value.sites.flatMap((site) => world.shapes.memberTexts(site, property));
  if (texts.length === 0) return true;
  return holds ? texts.includes(text) : texts.some((known) => known !== text);
}
