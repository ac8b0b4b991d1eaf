/**
 * Templates of source files. `_word_` is replaced, within names, too; what stands between
 * `//# each things` and `//# end` is repeated for each of an item's things, and sees the
 * words of the item as well as the thing's own.
 */

/** Words, and lists of what an item has. */
export interface Item {
  readonly words: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly Item[]>>;
}

interface Block {
  readonly each: string;
  readonly parts: Part[];
}
type Part = string | Block;

const EACH = /^\s*\/\/# each (.+)$/;
const END = /^\s*\/\/# end$/;
const WORD = /_([A-Za-z]+)_/g;

/** A template that has been read. */
export type Template = Block;

/** Reads a template. @throws Error when a block has no end, or an end no block */
export function parseTemplate(text: string): Template {
  const root: Block = { each: "", parts: [] };
  const open: Block[] = [root];
  for (const line of text.trimEnd().split("\n")) {
    const each = EACH.exec(line)?.[1];
    if (each !== undefined) {
      const block: Block = { each, parts: [] };
      open.at(-1)?.parts.push(block);
      open.push(block);
    } else if (END.test(line)) open.pop();
    else open.at(-1)?.parts.push(line);
  }
  if (open.length !== 1) throw new Error("every `each` needs its `end`");
  return root;
}

const fillLine = (line: string, words: Item["words"]): string =>
  line.replaceAll(WORD, (whole, word: string) => words[word] ?? whole);

function fillBlock(block: Block, { words, lists }: Item): readonly string[] {
  return block.parts.flatMap((part) => {
    if (typeof part === "string") return [fillLine(part, words)];
    const items = lists[part.each];
    if (items === undefined) throw new Error(`there is no list of ${part.each}`);
    return items.flatMap((item) =>
      fillBlock(part, { words: { ...words, ...item.words }, lists: { ...lists, ...item.lists } }),
    );
  });
}

/** The text of a template for one item. @throws Error when it asks for a list that the item has not */
export function fillTemplate(template: Template, item: Item): string {
  return `${fillBlock(template, item).join("\n")}\n`;
}
