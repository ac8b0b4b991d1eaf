/** How the steps of a plan are called in plans, events and on the screen. */
import type { WorkerKey } from "../../../infra/topology.ts";
import type { RolloutPlan } from "../../../worker/src/rollout/contract.ts";
import { sharesText } from "../rollout/text.ts";
import type { PlannedStep } from "./events.ts";
import { CANARY_OF, type Step } from "./plan.ts";

const WORKER_TITLES: Readonly<Record<WorkerKey, string>> = {
  "archiver-canary": "the archiver's canary",
  archiver: "the archiver",
  "hub-canary": "the hub's canary",
  hub: "the hub",
};

/** Id and title of a step. */
export function describeStep(step: Step, plan: RolloutPlan): PlannedStep {
  switch (step.kind) {
    case "migrate":
      return {
        id: `migrate-${step.database}`,
        title: `Migrate the ${step.database} database: ${step.files.join(", ")}`,
      };
    case "prove-stable":
      return { id: "prove-stable", title: "Check that the present version works on the new schema" };
    case "align":
      return {
        id: `align-${step.worker}`,
        title: `Return ${WORKER_TITLES[CANARY_OF[step.worker]]} to what ${WORKER_TITLES[step.worker]} runs`,
      };
    case "full-deploy":
      return {
        id: `deploy-${step.worker}`,
        title: `Deploy ${WORKER_TITLES[step.worker]} at 100 %, with its triggers`,
      };
    case "upload":
      return { id: `upload-${step.worker}`, title: `Upload the version of ${WORKER_TITLES[step.worker]}` };
    case "deploy":
      return { id: `deploy-${step.worker}`, title: `Deploy that version to ${WORKER_TITLES[step.worker]}` };
    case "triggers":
      return {
        id: `triggers-${step.worker}`,
        title: `Apply the queue consumers of ${WORKER_TITLES[step.worker]}`,
      };
    case "open":
      return { id: "open-rollout", title: "Open the rollout at 0 %" };
    case "check":
      return {
        id: `check-${step.worker}`,
        title: `Check that ${WORKER_TITLES[step.worker]} answers with it`,
      };
    case "smoke":
      return {
        id: "smoke",
        title: "Compare the canary's answers with the stable ones, without user traffic",
      };
    case "begin":
      return { id: "begin-rollout", title: "Begin: from here on the hub judges by itself" };
    case "go-on":
      return { id: "go-on", title: "Let the rollout go on" };
    case "phase": {
      if (step.phase === 0) {
        return {
          id: "phase-0",
          title: `Before phase 1: copies of ${plan.mirror?.read ?? 0} % of reads go to the canary, nobody gets its answers, until its gate passes`,
        };
      }
      const shares = plan.phases[step.phase - 1]?.shares;
      return {
        id: `phase-${step.phase}`,
        title: `Phase ${step.phase}: ${shares === undefined ? step.title : sharesText(shares)}, until its gate passes`,
      };
    }
    case "promote":
      return {
        id: `promote-${step.worker}`,
        title: `Announce that ${WORKER_TITLES[step.worker]} gets the release`,
      };
    case "complete":
      return { id: "complete-rollout", title: "Close the lane: the release is promoted" };
  }
}
