/** The way to the one rollout object. */
import type { Env } from "../../env.generated.ts";
import type { RolloutView } from "../view.ts";
import type { RolloutController } from "./controller.ts";

/** There is one rollout object; this is its name. */
const OBJECT_NAME = "hub";

export type RolloutNamespace = NonNullable<Env["ROLLOUT"]>;

/** A stub belongs to the request that made it, and one that has failed is not used again. */
export function rolloutObject(namespace: RolloutNamespace): DurableObjectStub<RolloutController> {
  return namespace.getByName(OBJECT_NAME);
}

/** What isolates have to know, from the object itself. */
export async function readView(namespace: RolloutNamespace): Promise<RolloutView> {
  return await rolloutObject(namespace).view();
}
