/** What the fake cloud's Workers answer over HTTP: health, the smoke requests, and the hub's admin API. */
import {
  LANE_HEADER,
  VERSION_HEADER,
  type Lane,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import type { Command } from "../../../worker/src/rollout/machine/machine.ts";
import type { WorkerKey } from "../../../infra/topology.ts";
import { refusalAnswer, type FakeRollout } from "./fake-rollout.ts";
import type { FakeScripts } from "./fake-scripts.ts";

/**
 * How a version may be broken, written into its source as `dead@hub`: it answers
 * nothing well, says that a binding does not answer, or leaves a field out.
 */
export type Ailment = "dead" | "sick" | "misshapen";

const LANES: Readonly<Record<Lane, Readonly<Record<RolloutWorker, WorkerKey>>>> = {
  stable: { archiver: "archiver", hub: "hub" },
  canary: { archiver: "archiver-canary", hub: "hub-canary" },
};

const DOWN = (): Response => new Response("error code: 1101", { status: 500 });

export class FakeWorkers {
  readonly #scripts: FakeScripts;
  readonly #rollout: FakeRollout;

  constructor(scripts: FakeScripts, rollout: FakeRollout) {
    this.#scripts = scripts;
    this.#rollout = rollout;
  }

  /** What a request is, in a word or two: for planting faults. */
  static nameOf(url: string, init: RequestInit | undefined): string {
    const { hostname, pathname } = new URL(url);
    const command = /^\/admin\/rollout\/(?:[^/]+\/)?([a-z-]+)$/.exec(pathname)?.[1];
    if (command !== undefined) return command;
    if (pathname === "/admin/rollout") return "state";
    const lane = new Headers(init?.headers).get(LANE_HEADER);
    return `${pathname === "/health" ? "health" : `ask ${pathname}`} ${lane ?? hostname.split(".")[0]}`;
  }

  answer(url: string, init: RequestInit | undefined): Response {
    const { hostname, pathname } = new URL(url);
    const headers = new Headers(init?.headers);
    if (hostname === "archiver.test") return this.#own("archiver");
    if (hostname === "archiver-canary.test") return this.#own("archiver-canary");
    if (this.#scripts.serving("hub") === null) return new Response("no such worker", { status: 404 });
    // The hub routes to every lane, so nothing is reached when it is dead.
    if (this.#ails("hub", "dead")) return DOWN();
    if (pathname === "/health") return this.#lane(headers.get(LANE_HEADER), "/health");
    if (headers.get("authorization") !== "Bearer admin") {
      return Response.json({ title: "no" }, { status: 401 });
    }
    if (!pathname.startsWith("/admin/rollout")) return this.#lane(headers.get(LANE_HEADER), pathname);
    if ((init?.method ?? "GET") === "GET") {
      this.#rollout.look();
      return Response.json(this.#rollout.state);
    }
    return this.#command(pathname, typeof init?.body === "string" ? init.body : "{}");
  }

  #ails(worker: WorkerKey, ailment: Ailment): boolean {
    return this.#scripts.serving(worker)?.source.includes(`${ailment}@${worker};`) ?? false;
  }

  #own(worker: WorkerKey): Response {
    const version = this.#scripts.serving(worker);
    if (version === null || this.#ails(worker, "dead")) return DOWN();
    return Response.json({ status: "ok", version: { id: version.id, tag: version.tag } });
  }

  #lane(forced: string | null, pathname: string): Response {
    const lane: Lane = forced === "canary" ? "canary" : "stable";
    const { hub, archiver } = LANES[lane];
    const version = this.#scripts.serving(hub);
    if (version === null) return new Response("no such worker", { status: 404 });
    if (this.#ails(hub, "dead")) return DOWN();
    const headers = { [LANE_HEADER]: lane, [VERSION_HEADER]: version.id };
    if (pathname === "/health") {
      const bindings = {
        DB: this.#ails(hub, "sick") ? "unreachable" : "ok",
        ARCHIVER: this.#ails(archiver, "dead") ? "unreachable" : "ok",
      };
      return Response.json({ version: { id: version.id, tag: version.tag }, lane, bindings }, { headers });
    }
    const body = { path: pathname, ...(this.#ails(hub, "misshapen") ? {} : { items: [{ id: 1 }] }) };
    return Response.json(body, { headers });
  }

  #command(pathname: string, body: string): Response {
    const [, , , first = "", last] = pathname.split("/");
    const fields: unknown = JSON.parse(body);
    const id = last === undefined ? this.#scripts.uuid() : decodeURIComponent(first);
    // What the scripts send is of the shape that the hub reads: the types of both are one.
    const command = { ...Object(fields), kind: last ?? first, id, by: "operator" } as Command;
    // As the hub reads a plan that says nothing of copies.
    const told =
      command.kind === "start"
        ? { ...command, plan: { ...command.plan, mirror: command.plan.mirror ?? null } }
        : command;
    const outcome = this.#rollout.tell(told);
    if (outcome.kind === "refused") return refusalAnswer(outcome.refusal, outcome.state);
    return Response.json(outcome.state, { status: command.kind === "start" ? 201 : 200 });
  }
}
