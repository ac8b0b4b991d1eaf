import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { YAML } from "zx";
import { StackConfigError, parseStackConfig } from "./config.ts";
import { ENVIRONMENTS, defaultSettings } from "./topology.ts";

const ACCOUNT_ID = "0123456789abcdef0123456789abcdef";

/** Every key that a stack file must hold. */
const COMPLETE = {
  "strata:coldExpiryDays": "30",
  "strata:backupExpiryDays": "90",
  "strata:archiveCrons": '["7 * * * *"]',
  "strata:queueRetentionSeconds": "345600",
  "strata:hotWindowSeconds": "900",
  "strata:archiveBlockBytes": "65536",
  "strata:archiveFileBytes": "4194304",
  "strata:archiveCodec": "deflate",
  "strata:genericTables": "refuse",
};

/** What the parser says about a configuration that it refuses. */
function faultsOf(stack: string, config: Record<string, string>, accountId?: string): readonly string[] {
  try {
    parseStackConfig(stack, { ...COMPLETE, ...config }, accountId);
  } catch (error) {
    if (error instanceof StackConfigError) {
      return error.faults;
    }
    throw error;
  }
  return [];
}

describe("a stack's configuration", () => {
  test("takes every key as the text that Pulumi hands over", () => {
    const { environment, accountId, settings } = parseStackConfig(
      "staging",
      {
        "strata:accountId": ACCOUNT_ID,
        "strata:coldExpiryDays": "45",
        "strata:backupExpiryDays": "120",
        "strata:archiveCrons": '["7 * * * *","0 3 * * SUN"]',
        "strata:queueRetentionSeconds": "86400",
        "strata:hotWindowSeconds": "0",
        "strata:archiveBlockBytes": "32768",
        "strata:archiveFileBytes": "8388608",
        "strata:archiveCodec": "zstandard",
        "strata:genericTables": "allow",
      },
      undefined,
    );

    expect(environment).toBe("staging");
    expect(accountId).toBe(ACCOUNT_ID);
    expect(settings).toEqual({
      coldExpiryDays: 45,
      backupExpiryDays: 120,
      archiveCrons: ["7 * * * *", "0 3 * * SUN"],
      queueRetentionSeconds: 86_400,
      hotWindowSeconds: 0,
      archiveBlockBytes: 32_768,
      archiveFileBytes: 8_388_608,
      archiveCodec: "zstandard",
      genericTables: "allow",
    });
  });

  test.each(Object.keys(COMPLETE))("must hold %s", (key) => {
    const config = Object.fromEntries(Object.entries(COMPLETE).filter(([name]) => name !== key));
    expect(() => parseStackConfig("production", config, ACCOUNT_ID)).toThrow(`${key}: missing`);
  });

  test('reads "never" as cold objects that are kept for ever', () => {
    const config = { ...COMPLETE, "strata:coldExpiryDays": "never" };
    expect(parseStackConfig("staging", config, ACCOUNT_ID).settings.coldExpiryDays).toBeNull();
  });

  test("prefers the stack file's account to the one in the environment", () => {
    const other = "f".repeat(32);
    expect(
      parseStackConfig("staging", { ...COMPLETE, "strata:accountId": other }, ACCOUNT_ID).accountId,
    ).toBe(other);
  });

  test("leaves the keys of other programs alone", () => {
    expect(faultsOf("staging", { "aws:region": "eu-central-1" }, ACCOUNT_ID)).toEqual([]);
  });
});

describe("a wrong configuration", () => {
  test("is one error that lists every fault with its key", () => {
    const faults = faultsOf("staging", {
      "strata:coldExpiryDays": "soon",
      "strata:backupExpiryDays": "0",
      "strata:archiveCrons": "hourly",
      "strata:queueRetentionSeconds": "30",
      "strata:archiveCodec": "zip",
      "strata:genericTables": "yes",
      "strata:colour": "blue",
    });

    expect(faults.map((fault) => fault.slice(0, fault.indexOf(": ")))).toEqual([
      "strata:colour",
      "strata:coldExpiryDays",
      "strata:backupExpiryDays",
      "strata:archiveCrons",
      "strata:queueRetentionSeconds",
      "strata:archiveCodec",
      "strata:genericTables",
      "strata:accountId",
    ]);
  });

  test("names the stack, its file and the way to mend it", () => {
    const parse = () =>
      parseStackConfig("staging", { ...COMPLETE, "strata:coldExpiryDays": "soon" }, ACCOUNT_ID);
    expect(parse).toThrow(
      [
        'Stack "staging" is configured wrongly (Pulumi.staging.yaml):',
        '  strata:coldExpiryDays: must be a whole number of days from 1 to 36500, or "never" (is "soon")',
        "Mend it in the file, or with: npx pulumi config set <key> <value> --stack staging",
      ].join("\n"),
    );
  });

  test.each([
    ["1.5", "days come whole"],
    ["-1", "a negative age would delete at once"],
    ["0", "zero days would delete at once"],
    ["99999", "a century is the most"],
    ["1e3", "exponents are not how people write days"],
  ])("refuses %s as a number of days: %s", (days) => {
    expect(faultsOf("staging", { "strata:backupExpiryDays": days }, ACCOUNT_ID)).toHaveLength(1);
  });

  test.each([
    ["hotWindowSeconds", "2592001", "seconds from 0 to 2592000"],
    ["archiveBlockBytes", "1023", "bytes from 1024 to 1048576"],
    ["archiveBlockBytes", "1048577", "bytes from 1024 to 1048576"],
    ["archiveFileBytes", "65535", "bytes from 65536 to 8388608"],
    ["archiveFileBytes", "8388609", "bytes from 65536 to 8388608"],
    ["archiveCodec", "snappy", "one of deflate, zstandard, null"],
    ["genericTables", "maybe", "one of allow, refuse"],
  ])("refuses a %s of %s: it is %s", (key, value, reason) => {
    expect(faultsOf("staging", { [`strata:${key}`]: value }, ACCOUNT_ID)).toEqual([
      expect.stringContaining(reason),
    ]);
  });

  test.each([
    ['["* * * *"]', '"* * * *" is not a cron expression of five fields'],
    ['["7 * * * *","7 * * * *"]', "names a cron expression twice"],
    ["[]", "must name at least one cron expression"],
    ['{"a":1}', "must be a list"],
  ])("refuses %s as crons", (crons, reason) => {
    expect(faultsOf("staging", { "strata:archiveCrons": crons }, ACCOUNT_ID)[0]).toContain(reason);
  });

  test("asks for the account where neither the file nor the environment names one", () => {
    expect(faultsOf("staging", {})).toEqual([
      "strata:accountId: missing; set it, or CLOUDFLARE_ACCOUNT_ID in the environment",
    ]);
  });

  test("names the variable when the environment's account id is malformed", () => {
    expect(faultsOf("staging", {}, "my-account")[0]).toMatch(/^CLOUDFLARE_ACCOUNT_ID: /);
  });

  test("points from the key that the provider refuses to the one that works", () => {
    expect(faultsOf("staging", { "cloudflare:accountId": ACCOUNT_ID }, ACCOUNT_ID)).toEqual([
      "cloudflare:accountId: the provider refuses this key; use strata:accountId",
    ]);
  });

  test("refuses a stack that is no environment", () => {
    expect(() => parseStackConfig("prod", {}, ACCOUNT_ID)).toThrow(/there is no environment "prod"/);
  });
});

describe("the stack files of the repository", () => {
  test.each(ENVIRONMENTS)("say for %s what its defaults are", async (environment) => {
    const file = path.join(import.meta.dirname, "..", `Pulumi.${environment}.yaml`);
    const { config }: { config: Record<string, unknown> } = YAML.parse(await readFile(file, "utf8"));
    const texts = Object.entries(config).map(([key, value]) => [
      key,
      typeof value === "object" ? JSON.stringify(value) : String(value),
    ]);

    expect(parseStackConfig(environment, Object.fromEntries(texts), ACCOUNT_ID).settings).toEqual(
      defaultSettings(environment),
    );
  });
});
