/** Triggers: what they do to rows of tables that serve, and to the writes that they run in. */
import type { CreateTriggerStmt, TriggerCmd } from "sqlite3-parser";
import { isBounded } from "./bounded.ts";
import type { Fault } from "./finding.ts";
import { nodesOf } from "./nodes.ts";
import { isLive, key, type Schema } from "./schema.ts";

/**
 * A table of the serving code whose rows a command of a trigger takes away or changes; `null`
 * without one.
 * @param serves whether the serving code's writes run the trigger: then rows that it changes
 * by key are those that such a write is about
 */
function written(command: TriggerCmd, schema: Schema, serves: boolean): string | null {
  if (command.type === "SelectTriggerCmd") return null;
  const table = command.tblName.objName.text;
  if (!isLive(schema, table)) return null;
  switch (command.type) {
    case "DeleteTriggerCmd":
      return table;
    case "UpdateTriggerCmd": {
      const byKey = command.from === undefined && isBounded(schema, table, command.whereClause, table);
      return serves && byKey && command.orConflict !== "Replace" ? null : table;
    }
    case "InsertTriggerCmd":
      return command.orConflict === "Replace" ? table : null;
  }
}

function writes(node: CreateTriggerStmt, schema: Schema, serves: boolean): readonly Fault[] {
  const tables = node.commands.flatMap((command) => written(command, schema, serves) ?? []);
  return [...new Set(tables)].map((table) => ({
    rule: "writing-trigger",
    message: `The trigger deletes or changes rows of ${table} behind the serving code's back: whatever writes to ${node.tblName.objName.text} loses them.`,
    mend: "Let the code change them; in a trigger on a table that serves, UPDATE … WHERE names one row by a unique key.",
  }));
}

/** What a new trigger means for the code that serves now. */
export function triggerFaults(node: CreateTriggerStmt, schema: Schema): readonly Fault[] {
  const table = node.tblName.objName.text;
  const inside = [...nodesOf(node)].map((one) => one.node);
  const serves = isLive(schema, table) && !schema.views.has(key(table));
  const faults: Fault[] = [...writes(node, schema, serves)];
  if (serves) {
    const raises = inside.some(({ type }) => type === "RaiseExpr");
    faults.push(
      raises
        ? {
            rule: "raising-trigger",
            message: `The trigger can refuse or drop what the serving code writes to ${table}.`,
            mend: "Check in the code; add the trigger in a contract migration when no older code can come back.",
          }
        : {
            rule: "create-trigger",
            message: `The trigger runs inside of the serving code's writes to ${table}: when its body fails, they fail.`,
            mend: "Keep its body to what cannot fail (INSERT OR IGNORE, UPDATE by key), or write both from the code.",
          },
    );
  }
  if (inside.some(({ type }) => type === "CaseExpr")) {
    faults.push({
      rule: "trigger-text",
      message:
        "D1's query endpoint has cut trigger bodies at the END of a CASE (incomplete input). Nothing is applied then.",
      mend: "Use the trigger's WHEN clause, or iif().",
    });
  }
  return faults;
}
