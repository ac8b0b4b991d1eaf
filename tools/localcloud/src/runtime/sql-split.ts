/**
 * Splits a string of SQL into its statements the way SQLite itself tells that one is
 * complete: the state machine of `sqlite3_complete()` (SQLite's complete.c), which knows
 * that semicolons within strings, comments and the body of CREATE TRIGGER end nothing.
 */

type Token = "semi" | "space" | "other" | "explain" | "create" | "temp" | "trigger" | "end";

type State = "start" | "normal" | "explain" | "create" | "trigger" | "semi" | "end";

type Row = Readonly<Record<Token, State>>;

const TRANSITIONS: Readonly<Record<State, Row>> = {
  start: row("start", "start", "normal", "explain", "create", "normal", "normal", "normal"),
  normal: row("start", "normal", "normal", "normal", "normal", "normal", "normal", "normal"),
  explain: row("start", "explain", "explain", "normal", "create", "normal", "normal", "normal"),
  create: row("start", "create", "normal", "normal", "normal", "create", "trigger", "normal"),
  trigger: row("semi", "trigger", "trigger", "trigger", "trigger", "trigger", "trigger", "trigger"),
  semi: row("semi", "semi", "trigger", "trigger", "trigger", "trigger", "trigger", "end"),
  end: row("start", "end", "trigger", "trigger", "trigger", "trigger", "trigger", "trigger"),
};

function row(
  semi: State,
  space: State,
  other: State,
  explain: State,
  create: State,
  temp: State,
  trigger: State,
  end: State,
): Row {
  return { semi, space, other, explain, create, temp, trigger, end };
}

const LEXEME =
  /;|\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)|[\p{L}\p{N}_$]+|./gsu;

const KEYWORDS: Readonly<Record<string, Token>> = {
  explain: "explain",
  create: "create",
  temp: "temp",
  temporary: "temp",
  trigger: "trigger",
  end: "end",
};

/** The statements of `sql`, without the semicolons that end them; empty ones and mere comments are left out. */
export function splitStatements(sql: string): readonly string[] {
  const statements: string[] = [];
  let state: State = "start";
  let begin = 0;
  let meaningful = false;
  for (const match of sql.matchAll(LEXEME)) {
    const [text] = match;
    const token = tokenOf(text);
    state = TRANSITIONS[state][token];
    if (token === "semi" && state === "start") {
      if (meaningful) statements.push(sql.slice(begin, match.index).trim());
      begin = match.index + text.length;
      meaningful = false;
    } else if (token !== "space" && token !== "semi") {
      meaningful = true;
    }
  }
  if (meaningful) statements.push(sql.slice(begin).trim());
  return statements;
}

function tokenOf(text: string): Token {
  if (text === ";") return "semi";
  if (text.startsWith("--") || text.startsWith("/*") || text.trim() === "") return "space";
  return KEYWORDS[text.toLowerCase()] ?? "other";
}
