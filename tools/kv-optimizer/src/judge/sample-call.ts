import type { CallPath, Finding, KvCall, TriggerKind } from "../model.ts";
import { DEFAULT_ASSUMPTIONS, judge, type JudgeContext } from "./index.ts";

/** For tests: assumptions as by default, and one Worker without crons. */
export const SAMPLE_CONTEXT: JudgeContext = { ...DEFAULT_ASSUMPTIONS, configs: [] };

/** For tests: a put with a TTL whose key says nothing, that no handler reaches. */
export function sampleCall(changes: Partial<KvCall> = {}): KvCall {
  return {
    file: "src/pages.ts",
    line: 10,
    column: 5,
    operation: "put",
    bulk: false,
    bindings: ["KV"],
    scope: "save",
    code: 'env.KV.put("page:1", html)',
    keys: ["page:{id}"],
    ttl: { verdict: "yes", seconds: 60, why: "`expirationTtl` is 60." },
    resolution: [],
    confidence: "high",
    paths: [],
    loops: [],
    ratePerDay: null,
    ignored: null,
    ...changes,
  };
}

/** For tests: a way from a handler of `src/index.ts` to the call. */
export function samplePath(trigger: TriggerKind, changes: Partial<CallPath> = {}): CallPath {
  const handler = trigger === "cron" ? "scheduled" : trigger === "request" ? "fetch" : trigger;
  return { trigger, entry: `src/index.ts#${handler}`, via: [handler, "save"], loops: [], ...changes };
}

/** For tests: a call as a finding. */
export function sampleFinding(call: KvCall, id: string, context = SAMPLE_CONTEXT): Finding {
  return { ...call, id, judgement: judge(call, context) };
}
