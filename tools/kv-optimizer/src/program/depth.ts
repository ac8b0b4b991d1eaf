/**
 * How deep a parser that recurses would get in a text. The parser is native: where it overflows its
 * stack, the process dies. So each token that can nest counts as if it did, until the statement or the
 * element of a list ends. Strings, templates, comments, regular expressions and JSX are told apart
 * as the language does it; where only a parser could tell, and it would matter, the text is refused.
 */
import { regexEnd } from "./regex-text.ts";
import { closingTagEnd, opensElement, selfClosingEnd } from "./jsx-text.ts";
import { DepthError, type Frame, LineFaults, Nesting } from "./nesting.ts";

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** Words after which `/` begins a regular expression. */
const BEFORE_VALUES = words("return throw typeof void delete new case do else in instanceof extends default");
/** … and those after which it may: they are names in other places. */
const CONTEXTUAL = words("await yield of");
/** Words that hold on to what follows them, on whatever line it stands. */
const JOINING: ReadonlySet<string> = new Set([
  ...BEFORE_VALUES,
  ...CONTEXTUAL,
  ...words("async abstract infer keyof readonly unique asserts as satisfies is"),
]);
/** Words that go on with what stands before them. */
const CONTINUING = words("else as satisfies instanceof in of extends implements is");
/** Statements that hold a statement. */
const HOLDING = words("if else for while do with");
const HEADS = words("if for while with");
/** What the two readings of a slash would see differently. */
const MATTERS = /["'`[\](){}<>]|\/\*|\/\//;

const WORD = /[\p{ID_Continue}$\\#\u200c\u200d]+/uy;
/** Words that follow each other in a line of code. */
const MAX_WORDS = 50;

const IS_WORD = Uint8Array.from({ length: 128 }, (_, code) =>
  /[\w$\\#]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const NUMBER = /[0-9][\w.]*/y;
const BLANK = /[\s\ufeff]+/y;
const LINE_END = /[\n\r\u2028\u2029]/g;
const STRING_END = /\\[\s\S]|["'\n\r]/g;
const CHILD = /[<{]/g;
const TEMPLATE_PART = /\\[\s\S]|`|\$\{/g;

class Reader {
  readonly #text: string;
  readonly #jsx: boolean;
  #at = 0;
  readonly #nesting = new Nesting();
  readonly #lineFaults = new LineFaults();
  /** What the last token was. */
  #last: "value" | "operator" | "brace" | "contextual" | "angle" = "operator";
  /** The last word, and whether it is a name because a dot stands before it. */
  #word = "";
  #joins = true;
  #newLine = true;
  /** Words in a row, with nothing between them. */
  #words = 0;

  constructor(text: string, jsx: boolean) {
    this.#text = text;
    this.#jsx = jsx;
  }

  read(): void {
    if (this.#text.startsWith("#!")) this.#skipLine();
    while (this.#at < this.#text.length) {
      if (this.#nesting.frame.kind === "template") this.#template();
      else if (this.#nesting.frame.kind === "element") this.#children();
      else if (this.#nesting.frame.kind === "tag") this.#tag();
      else this.#code();
    }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0] ?? null;
  }

  #wordHere(): string {
    const text = this.#text;
    let end = this.#at;
    while (IS_WORD[text.charCodeAt(end)] === 1) end += 1;
    // Beyond ASCII, and with escapes, it is for the expression to say.
    const next = text.charCodeAt(end);
    return next > 0x7e || next === 0x5c ? (this.#match(WORD) ?? "") : text.slice(this.#at, end);
  }

  /** Goes to the end of the line. */
  #skipLine(): void {
    LINE_END.lastIndex = this.#at;
    this.#at = LINE_END.exec(this.#text)?.index ?? this.#text.length;
  }

  #code(): void {
    const text = this.#text;
    const code = text.charCodeAt(this.#at);
    if (code === 0x20) {
      this.#at += 1;
      return;
    }
    if (code === 0x0a || code === 0x0d || code === 0x09 || code > 0x7e) {
      const blank = this.#match(BLANK);
      if (blank !== null) {
        LINE_END.lastIndex = 0;
        if (LINE_END.test(blank)) this.#newLine = true;
        this.#at += blank.length;
        return;
      }
    }
    if (code === 0x2f && this.#comment()) return;
    this.#token(code);
    this.#newLine = false;
  }

  #comment(): boolean {
    const text = this.#text;
    if (text.startsWith("//", this.#at)) this.#skipLine();
    else if (text.startsWith("/*", this.#at)) {
      const end = text.indexOf("*/", this.#at + 2);
      const after = end === -1 ? text.length : end + 2;
      LINE_END.lastIndex = 0;
      if (LINE_END.test(text.slice(this.#at, after))) this.#newLine = true;
      this.#at = after;
    } else return false;
    return true;
  }

  #token(code: number): void {
    if (code !== 0x2c && code !== 0x22 && code !== 0x27) this.#lineFaults.token(this.#at, this.#newLine);
    const number = code >= 0x30 && code <= 0x39 ? this.#match(NUMBER) : null;
    if (number !== null) {
      this.#begin();
      this.#at += number.length;
      this.#value();
      return;
    }
    if (code > 0x7e || IS_WORD[code] === 1) {
      const word = this.#wordHere();
      if (word !== "") {
        this.#at += word.length;
        this.#named(word);
        return;
      }
    }
    this.#at += 1;
    this.#words = 0;
    switch (code) {
      case 0x22: // "
      case 0x27: // '
        this.#begin();
        this.#string(code);
        return;
      case 0x60: // `
        this.#open("template");
        return;
      case 0x28: // (
      case 0x5b: // [
      case 0x7b: // {
        if (code === 0x7b && this.#last === "brace") this.#nesting.end();
        this.#open("code", code === 0x28 && HEADS.has(this.#word));
        return;
      case 0x29: // )
      case 0x5d: // ]
      case 0x7d: // }
        this.#close(code);
        return;
      case 0x3b: // ;
        this.#nesting.end();
        this.#operator();
        return;
      case 0x2c: // ,
        if (this.#nesting.frame.angles === 0) this.#nesting.frame.chain = 0;
        else this.#nesting.count();
        this.#operator();
        return;
      case 0x40: // @
        if (this.#last === "brace") this.#nesting.end();
        this.#operator();
        return;
      case 0x2f: // /
        this.#slash();
        return;
      case 0x3c: // <
        this.#less();
        return;
      default:
        this.#punctuator(code);
    }
  }

  #punctuator(code: number): void {
    const text = this.#text;
    const next = text.charCodeAt(this.#at);
    this.#nesting.count();
    if (code === 0x3e /* > */) {
      this.#nesting.frame.angles = Math.max(0, this.#nesting.frame.angles - 1);
      this.#operator();
      this.#last = "angle";
      return;
    }
    if (code === 0x3d /* = */ && next === 0x3e /* > */) this.#at += 1;
    else if ((code === 0x2b || code === 0x2d) && next === code) {
      if (code === 0x2d && this.#newLine && text.startsWith("->", this.#at)) {
        throw new DepthError("it has an HTML comment among its code");
      }
      // `a++` is a value where `a` is one.
      this.#at += 1;
      return;
    } else if (code === 0x21 /* ! */ && next !== 0x3d) return;
    const isDot = code === 0x2e || (code === 0x3f && next === 0x2e);
    this.#operator();
    if (isDot && text.charCodeAt(this.#at) !== 0x2e) this.#word = ".";
    else if (isDot) this.#at += text.startsWith("..", this.#at) ? 2 : 1;
  }

  /** Something that may begin a statement: it does after a block, and on a new line after a value. */
  #begin(): void {
    if (this.#last === "brace" || (this.#newLine && !this.#joins && this.#last !== "operator")) {
      this.#nesting.end();
    }
  }

  #named(word: string): void {
    this.#words = this.#newLine ? 1 : this.#words + 1;
    if (word.includes("\\")) this.#words += word.split("\\").length;
    // The parser would report each of them, each time with all of the line.
    if (this.#words > MAX_WORDS) throw new DepthError("it has more words in a row than any program");
    const isName = this.#word === ".";
    if (isName) {
      this.#value();
      return;
    }
    if (!CONTINUING.has(word)) this.#begin();
    if (word === "case") this.#nesting.end();
    if (HOLDING.has(word)) {
      this.#nesting.hold(word === "else");
    } else if (JOINING.has(word) || word === "class" || word === "function") this.#nesting.count();
    // `for await (…)`
    if (word !== "await" || this.#word !== "for") this.#word = HEADS.has(word) ? word : "";
    this.#last = BEFORE_VALUES.has(word) ? "operator" : CONTEXTUAL.has(word) ? "contextual" : "value";
    this.#joins = JOINING.has(word);
  }

  #value(): void {
    this.#last = "value";
    this.#word = "";
    this.#joins = false;
  }

  #operator(): void {
    this.#last = "operator";
    this.#word = "";
    this.#joins = true;
  }

  #open(kind: Frame["kind"], isHead = false): void {
    this.#nesting.open(kind, isHead);
    this.#operator();
  }

  #close(code: number): void {
    const { isHead } = this.#nesting.frame;
    this.#nesting.close();
    if (isHead) this.#operator();
    else this.#value();
    // What stands around it reads on by itself.
    if (code === 0x7d && this.#nesting.frame.kind === "code") this.#last = "brace";
  }

  #string(quote: number): void {
    STRING_END.lastIndex = this.#at;
    for (let found = STRING_END.exec(this.#text); ; found = STRING_END.exec(this.#text)) {
      this.#at = found === null ? this.#text.length : STRING_END.lastIndex;
      if (found === null || found[0] === "\n" || found[0] === "\r" || found[0].charCodeAt(0) === quote) break;
    }
    this.#value();
  }

  #template(): void {
    TEMPLATE_PART.lastIndex = this.#at;
    const found = TEMPLATE_PART.exec(this.#text);
    this.#at = found === null ? this.#text.length : TEMPLATE_PART.lastIndex;
    if (found?.[0] === "${") this.#open("code");
    else if (found?.[0] === "`") {
      this.#nesting.close();
      this.#value();
    }
  }

  #slash(): void {
    const isSure = this.#last === "operator" || (this.#last === "value" && !this.#newLine);
    const end = this.#last === "value" && isSure ? null : regexEnd(this.#text, this.#at);
    if (!isSure && end !== null && MATTERS.test(this.#text.slice(this.#at, end))) {
      throw new DepthError(
        "one cannot tell a division from a regular expression in it without understanding all of it",
      );
    }
    if (this.#last === "operator" && end !== null) {
      this.#at = end;
      this.#value();
      return;
    }
    this.#nesting.count();
    this.#operator();
  }

  #less(): void {
    if (this.#text.startsWith("!--", this.#at)) throw new DepthError("it has an HTML comment among its code");
    if (this.#jsx && opensElement(this.#text, this.#at)) {
      if (this.#last === "operator") {
        this.#open("tag");
        return;
      }
      if (this.#last !== "value" || this.#newLine) {
        throw new DepthError(
          "one cannot tell a comparison from an element in it without understanding all of it",
        );
      }
    }
    this.#nesting.angle();
    this.#operator();
  }

  /** One thing in a tag: a name, an attribute, what ends it. */
  #tag(): void {
    const text = this.#text;
    const code = text.charCodeAt(this.#at);
    if (code === 0x2f && this.#comment()) return;
    this.#at += 1;
    switch (code) {
      case 0x22: // "
      case 0x27: {
        const end = text.indexOf(String.fromCharCode(code), this.#at);
        this.#at = end === -1 ? text.length : end + 1;
        return;
      }
      case 0x7b: // {
        this.#open("code");
        return;
      case 0x28: // (
      case 0x5b: // [
        // Of type arguments; they are few.
        this.#nesting.count();
        return;
      case 0x3c: // <
        if (this.#word === "=") this.#open("tag");
        else this.#nesting.frame.angles += 1;
        this.#nesting.count();
        return;
      case 0x3d: // =
        this.#nesting.count();
        if (text.charCodeAt(this.#at) === 0x3e) this.#at += 1;
        this.#word = "=";
        return;
      case 0x2f: {
        // /
        const end = selfClosingEnd(text, this.#at);
        if (end === null) return;
        this.#at = end;
        this.#nesting.close();
        this.#value();
        return;
      }
      case 0x3e: // >
        if (this.#nesting.frame.angles === 0) {
          this.#nesting.close();
          this.#open("element");
        } else this.#nesting.frame.angles -= 1;
        return;
      default:
        if (!/\s/.test(text.charAt(this.#at - 1))) this.#word = "";
    }
  }

  /** The text of an element, to the next tag or expression. */
  #children(): void {
    const text = this.#text;
    CHILD.lastIndex = this.#at;
    const found = CHILD.exec(text);
    this.#at = found === null ? text.length : CHILD.lastIndex;
    if (found?.[0] === "{") this.#open("code");
    else if (found !== null) {
      const end = closingTagEnd(text, this.#at);
      if (end === null) this.#open("tag");
      else {
        this.#at = end;
        this.#nesting.close();
        this.#value();
      }
    }
  }
}

/**
 * Refuses what would overflow the stack of a parser.
 * @param jsx whether elements may stand in it
 * @throws {DepthError}
 */
export function refuseDepth(text: string, jsx: boolean): void {
  new Reader(text, jsx).read();
}
