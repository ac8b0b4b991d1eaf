/** A database that refuses what D1 refuses and its local stand-in takes. */
import { env } from "cloudflare:workers";

/** Limits of D1 (developers.cloudflare.com/d1/platform/limits). */
const MAX_PARAMETERS = 100;
const MAX_VALUE_BYTES = 2_000_000;
const MAX_SQL_BYTES = 100_000;

const bytesOf = (value: unknown): number => (typeof value === "string" ? Buffer.byteLength(value) : 8);

/** @param onBatch gets the number of statements of each batch */
export function strictDatabase(onBatch: (statements: number) => void = () => {}): D1Database {
  const originals = new WeakMap<object, D1PreparedStatement>();

  const wrap = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const wrapped = new Proxy(statement, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name !== "bind") return member.bind(target);
        return (...values: unknown[]) => {
          if (values.length > MAX_PARAMETERS) throw new Error(`D1_ERROR: too many SQL variables in ${sql}`);
          if (values.some((value) => bytesOf(value) > MAX_VALUE_BYTES)) {
            throw new Error(`D1_ERROR: string or blob too big in ${sql}`);
          }
          return wrap(target.bind(...values), sql);
        };
      },
    });
    originals.set(wrapped, statement);
    return wrapped;
  };

  return new Proxy(env.DB, {
    get(target, name) {
      if (name === "prepare") {
        return (sql: string) => {
          if (bytesOf(sql) > MAX_SQL_BYTES) throw new Error("D1_ERROR: statement too long");
          return wrap(target.prepare(sql), sql);
        };
      }
      if (name === "batch") {
        return (statements: readonly D1PreparedStatement[]) => {
          onBatch(statements.length);
          return target.batch(statements.map((statement) => originals.get(statement) ?? statement));
        };
      }
      return Reflect.get(target, name).bind(target);
    },
  });
}
