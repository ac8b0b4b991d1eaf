/** Whether the topology fits the free plan while nobody uses it, and how many writes a day then fit. */
import type { Topology } from "../../../infra/topology.ts";
import { quotas } from "../quota.ts";
import { check, type DoctorCheck } from "./check.ts";

const count = (value: number): string => Math.floor(value).toLocaleString("en-US");

/** Share of an allowance that idling may take before it is told. */
const IDLE_SHARE = 0.5;

export function budgetChecks(topology: Topology): readonly DoctorCheck[] {
  return quotas(topology).map(({ name, free, idlePerDay, perWrite, perRead }) => {
    const left = Math.max(0, free - idlePerDay);
    const fits = [
      ...(perWrite > 0 ? [`${count(left / perWrite)} writes`] : []),
      ...(perRead > 0 ? [`${count(left / perRead)} reads`] : []),
    ];
    const room = fits.length === 0 ? "" : `; what is left is enough for ${fits.join(" or ")} a day`;
    const detail = `${name}: about ${count(idlePerDay)} of ${count(free)} free a day go without any user${room}`;
    const id = name.toLowerCase().replaceAll(" ", "-");
    return idlePerDay > IDLE_SHARE * free
      ? check("budget", id, "warn", detail, "Let the crons run less often (archiveCrons in the stack file).")
      : check("budget", id, "ok", detail);
  });
}
