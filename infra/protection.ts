import type { CustomResourceOptions } from "@pulumi/pulumi";
import type { Topology } from "./topology.ts";

/**
 * Options of a resource that holds data: the engine refuses to delete or
 * replace it outside `local`; in production it would stay in the account even
 * if someone lifted that protection and destroyed the stack.
 */
export function dataOptions(topology: Topology): CustomResourceOptions {
  return { protect: topology.protect, retainOnDelete: topology.environment === "production" };
}
