/** Bindings whose every operation passes a gate, where a test may stop the world. */
import { env } from "cloudflare:workers";

/** Called around each operation of a binding; it performs the operation, or does not. */
export type Gate = <T>(operation: string, perform: () => Promise<T>) => Promise<T>;

const STATEMENT_CALLS = new Set(["run", "first", "all", "raw"]);

/** A database whose statements and batches pass the gate. */
export function gatedDatabase(gate: Gate, database: D1Database = env.DB): D1Database {
  const originals = new WeakMap<object, D1PreparedStatement>();

  const wrap = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const proxy = new Proxy(statement, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name === "bind") return (...values: unknown[]) => wrap(target.bind(...values), sql);
        if (!STATEMENT_CALLS.has(String(name))) return member.bind(target);
        return (...values: unknown[]) =>
          gate(`${String(name)} ${sql.trim().slice(0, 30)}`, () => member.apply(target, values));
      },
    });
    originals.set(proxy, statement);
    return proxy;
  };

  return new Proxy(database, {
    get(target, name) {
      if (name === "prepare") return (sql: string) => wrap(target.prepare(sql), sql);
      if (name === "batch") {
        return (statements: readonly D1PreparedStatement[]) =>
          gate("batch", () =>
            target.batch(statements.map((statement) => originals.get(statement) ?? statement)),
          );
      }
      return Reflect.get(target, name).bind(target);
    },
  });
}

/** A bucket whose operations pass the gate. */
export function gatedBucket(gate: Gate, bucket: R2Bucket = env.COLD): R2Bucket {
  return new Proxy(bucket, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...values: unknown[]) => gate(`r2 ${String(name)}`, () => member.apply(target, values));
    },
  });
}

/** The process that ran the bindings is gone. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/**
 * A gate that kills the process at one operation: every later one fails too.
 * @param at which operation, from 0
 * @param moment whether the operation itself still took effect
 */
export function killingGate(
  at: number,
  moment: "before" | "after",
): { readonly gate: Gate; readonly log: string[] } {
  const log: string[] = [];
  const gate: Gate = async (operation, perform) => {
    const index = log.push(operation) - 1;
    if (index > at || (index === at && moment === "before")) throw new Killed(operation);
    const result = await perform();
    if (index === at) throw new Killed(operation);
    return result;
  };
  return { gate, log };
}

/** A gate that does something else before one operation, and then goes on. */
export function interruptingGate(
  at: number,
  interrupt: () => Promise<void>,
): { readonly gate: Gate; readonly log: string[] } {
  const log: string[] = [];
  const gate: Gate = async (operation, perform) => {
    const index = log.push(operation) - 1;
    if (index === at) await interrupt();
    return perform();
  };
  return { gate, log };
}
