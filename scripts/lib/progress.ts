/** Shows the events of a run to a person, on stderr: a planned run as a list of steps, the rest as lines. */
import { Listr, ListrLogger, ProcessOutput, type ListrTask } from "listr2";
import pc from "picocolors";
import type { PlanEvent, ReleaseEvent, RolloutEvent, StepEvent } from "./release/events.ts";
import { phaseText, sharesText } from "./rollout/text.ts";

export interface Progress {
  onEvent(event: ReleaseEvent): void;
  /** Resolves when everything is drawn; to be called once, after the run. */
  finish(): Promise<void>;
}

/** A step on the list: it stands there until its event settles it. */
interface Line {
  readonly started: PromiseWithResolvers<void>;
  readonly ended: PromiseWithResolvers<void>;
  tell: (text: string) => void;
  detail: string | null;
}

function rolloutText({ state }: RolloutEvent): string {
  const text = phaseText(state, Date.now());
  const where = `phase ${state.phase} (${sharesText(state.shares)})`;
  return text === "" ? `${where}: ${state.status}` : `${where}: ${text}`;
}

function taskOf(title: string, line: Line): ListrTask {
  return {
    title,
    task: async (_, task) => {
      line.tell = (text) => {
        task.output = text;
      };
      await line.started.promise;
      await line.ended.promise;
      if (line.detail !== null && line.detail !== "") task.title = `${title} ${pc.dim(line.detail)}`;
    },
  };
}

/** Steps of a plan as a Listr list; on a terminal it is redrawn, elsewhere it is plain lines. */
class StepList {
  readonly #lines = new Map<string, Line>();
  readonly #run: Promise<unknown>;

  constructor({ steps }: PlanEvent, output: NodeJS.WriteStream) {
    const tasks = steps.map(({ id, title }) => {
      const line: Line = {
        started: Promise.withResolvers<void>(),
        ended: Promise.withResolvers<void>(),
        tell: () => {},
        detail: null,
      };
      // A step that is never reached is never awaited.
      for (const { promise } of [line.started, line.ended]) promise.catch(() => {});
      this.#lines.set(id, line);
      return taskOf(title, line);
    });
    const options = {
      concurrent: false,
      exitOnError: true,
      registerSignalListeners: false,
      rendererOptions: {
        logger: new ListrLogger({ processOutput: new ProcessOutput(output, output) }),
        collapseErrors: true,
      },
    } as const;
    const list = output.isTTY
      ? new Listr(tasks, { ...options, renderer: "default" })
      : new Listr(tasks, { ...options, renderer: "simple" });
    this.#run = list.run().catch(() => {});
  }

  /** @returns whether the step is on this list */
  onStep({ id, status, detail }: StepEvent): boolean {
    const line = this.#lines.get(id);
    if (line === undefined) return false;
    line.detail = detail;
    line.started.resolve();
    if (status === "done") line.ended.resolve();
    if (status === "failed") line.ended.reject(new Error(detail ?? "failed"));
    return true;
  }

  onRollout(event: RolloutEvent): void {
    this.#lines.get(`phase-${event.state.phase}`)?.tell(rolloutText(event));
  }

  /** Lets go of the steps that were not reached, and waits for the last drawing. */
  async finish(): Promise<void> {
    for (const { started } of this.#lines.values()) started.reject(new Error("not reached"));
    await this.#run;
  }
}

function stepLine({ title, status, detail }: StepEvent): string | null {
  const tail = detail === null || detail === "" ? "" : ` ${pc.dim(detail)}`;
  switch (status) {
    case "started":
      return null;
    case "done":
      return `${pc.green("✔")} ${title}${tail}`;
    case "failed":
      return `${pc.red("✖")} ${title}`;
  }
}

/** Where nothing is redrawn, a phase that lasts is told at most this often, in milliseconds. */
const PLAIN_ROLLOUT_MS = 10_000;

/** Progress for people on `output`. */
export function humanProgress(output: NodeJS.WriteStream): Progress {
  let list: StepList | null = null;
  let told = { revision: -1, elapsedMs: 0 };
  const drawn: Promise<void>[] = [];
  const say = (line: string): void => {
    output.write(`${line}\n`);
  };
  const onPlan = (plan: PlanEvent): void => {
    const title = `${plan.target} ${plan.tag} → ${plan.environment}`;
    say(pc.bold(plan.steps.length === 0 ? `${title}: nothing to do, it serves already` : title));
    if (plan.dryRun) for (const step of plan.steps) say(`  ${pc.dim("would:")} ${step.title}`);
  };
  return {
    onEvent(event) {
      switch (event.type) {
        case "plan":
          onPlan(event);
          if (list !== null) drawn.push(list.finish());
          list = event.dryRun || event.steps.length === 0 ? null : new StepList(event, output);
          return;
        case "step": {
          if (list?.onStep(event) === true) return;
          const line = stepLine(event);
          if (line !== null) say(line);
          return;
        }
        case "rollout": {
          const { elapsedMs, state } = event;
          const repeats = state.revision === told.revision && elapsedMs - told.elapsedMs < PLAIN_ROLLOUT_MS;
          if (!output.isTTY && repeats) return;
          told = { revision: state.revision, elapsedMs };
          list?.onRollout(event);
          return;
        }
        case "note":
          say(pc.dim(event.message));
      }
    },
    async finish() {
      if (list !== null) drawn.push(list.finish());
      await Promise.all(drawn);
    },
  };
}

/** Every event as one line of JSON on `output`; a rollout's without its history and plan, which `status` has. */
export function jsonProgress(output: NodeJS.WriteStream): Progress {
  const line = (event: ReleaseEvent): unknown =>
    event.type === "rollout"
      ? { ...event, state: { ...event.state, transitions: undefined, plan: undefined } }
      : event;
  return {
    onEvent(event) {
      output.write(`${JSON.stringify(line(event))}\n`);
    },
    finish: async () => {},
  };
}
