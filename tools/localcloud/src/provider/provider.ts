import { NotFoundError } from "cloudflare/error";
import type * as pulumi from "@pulumi/pulumi/provider/index.js";
import { z } from "zod";
import { describeFailure } from "./api-error.ts";
import type { Api } from "./api.ts";
import { kindOf } from "./kinds/index.ts";
import type { Kind, Properties } from "./kind.ts";

/** Version of the real provider whose plans this one makes; the engine asks for it. */
export const PROVIDER_VERSION = "6.17.0";

const properties = z.record(z.string(), z.unknown());

/** `urn:pulumi:<stack>::<project>::<parent types$>type::name` */
function typeOf(urn: string): string {
  const qualified = urn.split("::")[2] ?? "";
  return qualified.slice(qualified.lastIndexOf("$") + 1);
}

function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

/**
 * A provider for the engine, over the REST API of a local cloud. It plans a
 * replacement or an update exactly where the real provider does.
 *
 * @param warn receives what `delete` cannot do
 */
export function createProvider(api: Api, warn: (message: string) => void): pulumi.Provider {
  async function attempt<T>(action: string, urn: string, call: (kind: Kind) => Promise<T>): Promise<T> {
    try {
      return await call(kindOf(typeOf(urn)));
    } catch (error) {
      throw describeFailure(action, nameOf(urn), error);
    }
  }
  const parse = (bag: unknown): Properties => properties.parse(bag);

  return {
    version: PROVIDER_VERSION,
    async check(urn, _olds, news) {
      return { inputs: news, failures: [...kindOf(typeOf(urn)).check(parse(news))] };
    },
    async diff(_id, urn, olds, news) {
      const { changed, replaces } = kindOf(typeOf(urn)).diff(parse(olds), parse(news));
      return { changes: changed.length > 0, replaces: [...replaces] };
    },
    async create(urn, inputs) {
      const { id, state } = await attempt("create", urn, (kind) => kind.create(api, parse(inputs)));
      return { id, outs: state };
    },
    async read(id, urn, props) {
      try {
        const found = await kindOf(typeOf(urn)).read(api, id, parse(props));
        return { id: found.id, props: found.state, inputs: found.inputs };
      } catch (error) {
        if (error instanceof NotFoundError) {
          // An empty id tells the engine that the resource is gone.
          return { id: "", props: {} };
        }
        throw describeFailure("read", nameOf(urn), error);
      }
    },
    async update(id, urn, _olds, news) {
      const { state } = await attempt("update", urn, (kind) => kind.update(api, id, parse(news)));
      return { outs: state };
    },
    async delete(id, urn, props) {
      const { survives } = kindOf(typeOf(urn));
      if (survives !== undefined) {
        warn(`${id}: the API has no call that deletes this; ${survives}`);
      }
      try {
        await kindOf(typeOf(urn)).delete(api, id, parse(props));
      } catch (error) {
        if (!(error instanceof NotFoundError)) {
          throw describeFailure("delete", nameOf(urn), error);
        }
      }
    },
  };
}
