import { describe, expect, it } from "vitest";
import { fillTemplate, type Item, parseTemplate } from "./kv-template.ts";

const item = (words: Item["words"], lists: Item["lists"] = {}): Item => ({ words, lists });

describe("a template", () => {
  it("has its words replaced, within names, too, and leaves other underscores alone", () => {
    const template = parseTemplate("const keep_Entity_ = _limit_;\nMAX_AGE; _unknown_;");
    expect(fillTemplate(template, item({ Entity: "Order", limit: "60" }))).toBe(
      "const keepOrder = 60;\nMAX_AGE; _unknown_;\n",
    );
  });

  it("repeats a block for each item, which sees the words around it", () => {
    const text = [
      "//# each entity",
      "class _Entity_ {",
      "  //# each field",
      "  _field_: _domain_;",
      "  //# end",
      "}",
      "//# end",
    ];
    const fields = [item({ field: "price" }), item({ field: "weight" })];
    const entities = [
      item({ Entity: "Order" }, { field: fields }),
      item({ Entity: "Refund" }, { field: [] }),
    ];
    expect(fillTemplate(parseTemplate(text.join("\n")), item({ domain: "shop" }, { entity: entities }))).toBe(
      "class Order {\n  price: shop;\n  weight: shop;\n}\nclass Refund {\n}\n",
    );
  });

  it("is refused when a block has no end, or asks for what there is not", () => {
    expect(() => parseTemplate("//# each field")).toThrow("needs its `end`");
    expect(() => parseTemplate("//# end")).toThrow("needs its `end`");
    expect(() => fillTemplate(parseTemplate("//# each field\n//# end"), item({}))).toThrow(
      "no list of field",
    );
  });
});
