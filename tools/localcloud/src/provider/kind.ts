import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import type { Api } from "./api.ts";

/** Properties as the engine sends and stores them. */
export type Properties = Readonly<Record<string, unknown>>;

/** A resource that exists, as the API describes it. */
export interface Existing {
  readonly id: string;
  readonly state: Properties;
}

/** How the provider handles one kind of resource; `I` is its inputs. */
export interface KindDefinition<I extends { accountId: string }> {
  /** Pulumi's type token. */
  readonly type: string;
  /** Reads inputs (and the inputs within a state) into their normal form, defaults included. */
  readonly inputs: z.ZodType<I>;
  /** Inputs whose change makes another resource of it. `accountId` always does. */
  readonly replacedBy: readonly (keyof I & string)[];
  create(api: Api, inputs: I): Promise<Existing>;
  /** @throws the SDK's `NotFoundError` when it is gone */
  read(api: Api, id: string, inputs: I): Promise<Existing>;
  /** Absent where every change replaces. */
  update?(api: Api, id: string, inputs: I): Promise<Existing>;
  /** A function, or why the API cannot delete it. */
  readonly delete: ((api: Api, id: string, inputs: I) => Promise<void>) | string;
}

/** Why inputs are refused: the property and what is wrong with it. */
export interface InputFault {
  readonly property: string;
  readonly reason: string;
}

/** A kind with its input type checked and hidden, so that kinds of all types stand in one list. */
export interface Kind {
  readonly type: string;
  check(inputs: Properties): readonly InputFault[];
  /** The inputs that differ between a state and the wanted inputs, and those of them that replace. */
  diff(state: Properties, wanted: Properties): { changed: readonly string[]; replaces: readonly string[] };
  create(api: Api, inputs: Properties): Promise<Existing>;
  read(api: Api, id: string, state: Properties): Promise<Existing & { inputs: Properties }>;
  update(api: Api, id: string, inputs: Properties): Promise<Existing>;
  /** What stays behind when the API has no way to delete this kind; absent where it is deleted. */
  readonly survives: string | undefined;
  delete(api: Api, id: string, state: Properties): Promise<void>;
}

/** The API says `null` where a program says nothing, at any depth. */
function dropEmpty(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(dropEmpty);
  }
  return typeof value === "object" && value !== null ? withoutEmpty({ ...value }) : value;
}

function withoutEmpty(properties: Properties): Properties {
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name, dropEmpty(value)]),
  );
}

/** Makes a kind of its definition. Every property that comes in is parsed before a function of the definition sees it. */
export function defineKind<I extends { accountId: string }>(definition: KindDefinition<I>): Kind {
  const { inputs: schema, type } = definition;
  const replacedBy: ReadonlySet<string> = new Set(["accountId", ...definition.replacedBy]);
  const parse = (properties: Properties): I => schema.parse(withoutEmpty(properties));
  const settle = ({ id, state }: Existing): Existing => ({ id, state: withoutEmpty(state) });

  return {
    type,
    check(inputs) {
      const parsed = schema.safeParse(withoutEmpty(inputs));
      return parsed.success
        ? []
        : parsed.error.issues.map(({ path, message }) => ({ property: path.join("."), reason: message }));
    },
    diff(state, wanted) {
      const have = new Map<string, unknown>(Object.entries(parse(state)));
      const changed = Object.entries(parse(wanted))
        .filter(([name, value]) => !isDeepStrictEqual(have.get(name), value))
        .map(([name]) => name);
      return { changed, replaces: changed.filter((name) => replacedBy.has(name)) };
    },
    async create(api, inputs) {
      return settle(await definition.create(api, parse(inputs)));
    },
    async read(api, id, state) {
      const found = settle(await definition.read(api, id, parse(state)));
      return { ...found, inputs: { ...parse(found.state) } };
    },
    async update(api, id, inputs) {
      if (definition.update === undefined) {
        throw new Error(`${type} cannot be updated in place`);
      }
      return settle(await definition.update(api, id, parse(inputs)));
    },
    survives: typeof definition.delete === "string" ? definition.delete : undefined,
    async delete(api, id, state) {
      if (typeof definition.delete !== "string") {
        await definition.delete(api, id, parse(state));
      }
    },
  };
}
