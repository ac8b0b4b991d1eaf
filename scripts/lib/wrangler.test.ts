import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskSecrets, versionIdOf, wranglerFault } from "./wrangler.ts";

const REFUSED = `Total Upload: 0.38 KiB / gzip: 0.29 KiB
\u001B[31m✘ \u001B[41;31m[\u001B[41;97mERROR\u001B[41;31m]\u001B[0m \u001B[1mA request to the Cloudflare API (/accounts/a/workers/scripts/t1/versions) failed.\u001B[0m

  Uncaught Error: no such module [code: 10021]
  \x20
  If you think this is a bug, please open an issue at: \u001B[4mhttps://github.com/cloudflare/workers-sdk/issues/new/choose\u001B[0m

`;

const BUILD = `\u001B[31m✘ \u001B[41;31m[\u001B[41;97mERROR\u001B[41;31m]\u001B[0m \u001B[1mBuild failed with 1 error:\u001B[0m

  \u001B[31m✘ \u001B[41;31m[\u001B[41;97mERROR\u001B[41;31m]\u001B[0m \u001B[1mExpected identifier but found end of file\u001B[0m

      bad.ts:2:0:
`;

describe("the fault in wrangler's output", () => {
  it("is the error with its reason, without colour, progress and advertising", () => {
    expect(wranglerFault(REFUSED)).toBe(
      "A request to the Cloudflare API (/accounts/a/workers/scripts/t1/versions) failed.\n" +
        "  Uncaught Error: no such module [code: 10021]",
    );
  });

  it("keeps the place in the source of a build error", () => {
    expect(wranglerFault(BUILD)).toContain("Expected identifier but found end of file");
    expect(wranglerFault(BUILD)).toContain("bad.ts:2:0:");
  });

  it("leaves out what wrangler warns about before it fails", () => {
    const output = `▲ [WARNING] A fetch request failed, likely due to a connectivity issue.\n\n${REFUSED}`;
    expect(wranglerFault(output)).not.toContain("connectivity");
  });

  it("says so when wrangler said nothing", () => {
    expect(wranglerFault("")).toBe("wrangler failed without a word");
  });
});

describe("masked text", () => {
  it("holds no secret, wherever it stood", () => {
    const secret = fc.string({ minLength: 8 }).filter((text) => !text.includes("*"));
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), secret)), secret, (parts, planted) => {
        const masked = maskSecrets([...parts, planted, ...parts].join("·"), [planted]);
        expect(masked).not.toContain(planted);
      }),
    );
  });

  it("masks a secret whole that begins with another one", () => {
    expect(maskSecrets("token-and-more", ["token", "token-and-more"])).toBe("***");
  });
});

describe("the version id in wrangler's machine output", () => {
  const output = [
    { type: "wrangler-session", version: 1 },
    { type: "version-upload", version: 1, version_id: "v-1" },
  ]
    .map((entry) => JSON.stringify(entry))
    .join("\n");

  it("is that of the wanted kind of entry", () => {
    expect(versionIdOf(output, "version-upload")).toBe("v-1");
    expect(versionIdOf(output, "deploy")).toBeNull();
    expect(versionIdOf("", "deploy")).toBeNull();
  });
});
