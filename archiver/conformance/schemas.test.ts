import { describe, expect, it } from "vitest";
import { renderedSchemas, renderSchemas } from "../render-schemas.ts";

describe("the module of schemas", () => {
  it("is as fresh as the files that it is made from (npm run render:schemas)", async () => {
    expect(await renderedSchemas()).toBe(await renderSchemas());
  });
});
