/** How deep a parser may be at each token, and what it may write about a line. */

/** A text that is nested too deeply, or that cannot be told to be none. */
export class DepthError extends Error {
  override readonly name = "DepthError";
}

/** Brackets, type arguments and elements within each other. The parser's stack holds seven times as many. */
const MAX_BRACKETS = 400;
/** Tokens that may nest, of a statement and all statements around it. The stack holds three times as many. */
const MAX_TOKENS = 1_500;
/** Characters that the parser may write about a text. */
const MAX_FAULTS = 200_000_000;

/** What stands between two brackets, or in a template, a tag or an element. */
export interface Frame {
  readonly kind: "code" | "template" | "tag" | "element";
  /** What closes it gives its brackets no value: `)` of `if (…)`. */
  readonly isHead: boolean;
  /** Tokens since the last comma or semicolon. */
  chain: number;
  /** Statements that hold the present one: they go on after a comma. */
  spine: number;
  /** Both, of the statement that has just ended: an `else` may go on with it. */
  ended: number;
  /** `<` that no `>` has closed. */
  angles: number;
}

const opened = (kind: Frame["kind"], isHead: boolean): Frame => ({
  kind,
  isHead,
  chain: 0,
  spine: 0,
  ended: 0,
  angles: 0,
});

/** The frames around a token, and how many of their tokens may nest. */
export class Nesting {
  frame = opened("code", false);
  readonly #outer: Frame[] = [];
  /** Tokens of the frames around the present one. */
  #below = 0;

  /** A token that may nest. @throws {DepthError} */
  count(): void {
    this.frame.chain += 1;
    this.#check();
  }

  /** A statement that holds the next one. @throws {DepthError} */
  hold(goesOn: boolean): void {
    const { frame } = this;
    if (goesOn && frame.chain + frame.spine === 0) frame.spine = frame.ended;
    frame.spine += 1;
    this.#check();
  }

  /** A `<` that may open type arguments. @throws {DepthError} */
  angle(): void {
    this.frame.angles += 1;
    this.count();
    if (this.frame.angles > MAX_BRACKETS) throw new DepthError("it is nested too deeply to be read");
  }

  #check(): void {
    const { chain, spine } = this.frame;
    if (this.#below + chain + spine > MAX_TOKENS) {
      throw new DepthError("an expression of it is too long to be read");
    }
  }

  /** The end of a statement. */
  end(): void {
    const { frame } = this;
    frame.ended = frame.chain + frame.spine;
    frame.chain = 0;
    frame.spine = 0;
    frame.angles = 0;
  }

  /** @throws {DepthError} */
  open(kind: Frame["kind"], isHead = false): void {
    this.count();
    this.#outer.push(this.frame);
    this.#below += this.frame.chain + this.frame.spine;
    this.frame = opened(kind, isHead);
    if (this.#outer.length > MAX_BRACKETS) throw new DepthError("it is nested too deeply to be read");
  }

  close(): void {
    const outer = this.#outer.pop();
    if (outer === undefined) return;
    this.frame = outer;
    this.#below -= outer.chain + outer.spine;
  }
}

/** The parser tells each fault with all of its line: many faults of a long line are more than memory holds. */
export class LineFaults {
  #start = 0;
  #tokens = 0;
  #written = 0;

  /** A token with which there may be something wrong. @throws {DepthError} */
  token(at: number, isFirst: boolean): void {
    if (isFirst) {
      this.#written += this.#tokens * (at - this.#start);
      this.#start = at;
      this.#tokens = 0;
    }
    this.#tokens += 1;
    if (this.#written + this.#tokens * (at - this.#start) > MAX_FAULTS) {
      throw new DepthError("its lines are longer than those of any program that people write");
    }
  }
}
