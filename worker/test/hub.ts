/** A hub of its own for a test, on the pool's bindings and a clock that the test moves. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createHub } from "../src/app.ts";
import type { Env } from "../src/env.generated.ts";
import type { Clock } from "../src/http/index.ts";
import { afterEach, beforeEach, vi } from "vitest";

/** Keeps the log off the console in a test file's tests; the lines of the current test. */
export function captureLogs(): readonly string[] {
  const lines: string[] = [];
  beforeEach(() => {
    lines.length = 0;
    for (const level of ["log", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation((line: unknown) => {
        lines.push(String(line));
      });
    }
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return lines;
}

export const API_KEY = env.BOOTSTRAP_API_KEY;
export const ADMIN_TOKEN = env.ADMIN_TOKEN;

export const asAdmin = { authorization: `Bearer ${ADMIN_TOKEN}` };
export const withKey = { "x-api-key": API_KEY };

/** Time that passes only when it is told to; sleeping moves it on at once. */
export class TestClock implements Clock {
  #now = Date.parse("2026-11-22T08:00:00Z");

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  sleep(ms: number): Promise<void> {
    this.advance(ms);
    return Promise.resolve();
  }
}

export interface TestHub {
  readonly clock: TestClock;
  /** The answer, once everything that the request left behind is done. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
}

/** An isolate's hub; `overrides` replace bindings. */
export function testHub(overrides: Partial<Env> = {}): TestHub {
  const clock = new TestClock();
  const hub = createHub({ clock });
  const bindings: Env = { ...env, ...overrides };
  return {
    clock,
    async fetch(path, init) {
      const context = createExecutionContext();
      const response = await hub.fetch(new Request(`https://hub.example${path}`, init), bindings, context);
      await waitOnExecutionContext(context);
      return response;
    },
  };
}

/** The hub as the canary script runs it: the same bundle, fewer bindings. */
export function canaryHub(): TestHub {
  const { CANARY: _canary, ROLLOUT: _rollout, ...bindings } = env;
  const clock = new TestClock();
  const hub = createHub({ clock });
  return {
    clock,
    async fetch(path, init) {
      const context = createExecutionContext();
      const request = new Request(`https://hub.example${path}`, init);
      const response = await hub.fetch(request, { ...bindings, LANE: "canary" }, context);
      await waitOnExecutionContext(context);
      return response;
    },
  };
}

/** A request with a JSON body. */
export function json(body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  };
}

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly request_id: string;
  readonly faults?: readonly { readonly path: string; readonly message: string }[];
  readonly fault_count?: number;
  readonly tables?: readonly string[];
  readonly state?: unknown;
}

/** A problem document, with the status that the answer really has. */
export async function problemOf(response: Response): Promise<ProblemDocument> {
  return { ...(await response.json<ProblemDocument>()), status: response.status };
}

/** Paths of a refused input's faults. */
export async function faultPaths(response: Response): Promise<readonly string[]> {
  const { faults } = await response.json<ProblemDocument>();
  return (faults ?? []).map(({ path }) => path);
}
