import { describe, expect, it } from "vitest";
import { expiryCutoff, readSettings, SettingsError } from "./settings.ts";

const ENV = {
  COLD_EXPIRY_DAYS: "30",
  HOT_WINDOW_SECONDS: "600",
  ARCHIVE_BLOCK_BYTES: "65536",
  ARCHIVE_FILE_BYTES: "4194304",
  ARCHIVE_CODEC: "deflate",
  GENERIC_TABLES: "refuse",
};

describe("the Worker's settings", () => {
  it("are read from its variables", () => {
    expect(readSettings(ENV)).toEqual({
      coldExpiryDays: 30,
      hotWindow: 600_000,
      blockBytes: 65_536,
      fileBytes: 4_194_304,
      codec: "deflate",
      genericTables: false,
    });
    expect(readSettings({ ...ENV, COLD_EXPIRY_DAYS: "never", GENERIC_TABLES: "allow" })).toMatchObject({
      coldExpiryDays: null,
      genericTables: true,
    });
  });

  it.each([
    ["COLD_EXPIRY_DAYS", ["0", "-1", "1.5", "36501", "", "ever", " 30"]],
    ["HOT_WINDOW_SECONDS", ["-1", "2592001", "1e3", "0x10"]],
    ["ARCHIVE_BLOCK_BYTES", ["1023", "1048577"]],
    ["ARCHIVE_FILE_BYTES", ["65535", "8388609", "9".repeat(16)]],
    ["ARCHIVE_CODEC", ["Deflate", "snappy", ""]],
    ["GENERIC_TABLES", ["yes", ""]],
  ])("refuse a %s that they do not understand, and name it", (name, values) => {
    for (const value of values) {
      expect(() => readSettings({ ...ENV, [name]: value })).toThrow(SettingsError);
      expect(() => readSettings({ ...ENV, [name]: value })).toThrow(`not ${JSON.stringify(value)}`);
    }
  });

  it("name every variable that is wrong, also one that is missing", () => {
    const { ARCHIVE_CODEC: _, ...missing } = { ...ENV, HOT_WINDOW_SECONDS: "soon", GENERIC_TABLES: "?" };
    expect(() => readSettings(missing as typeof ENV)).toThrow(
      /HOT_WINDOW_SECONDS .*; ARCHIVE_CODEC .*; GENERIC_TABLES /,
    );
  });
});

describe("the expiry", () => {
  const DAY = 86_400_000;
  const HOUR = 3_600_000;

  it("takes a file out of the index an hour before R2 may remove its object, and not earlier", () => {
    const uploaded = 1_000 * DAY;
    const removable = uploaded + 30 * DAY;
    const expired = (now: number): boolean => uploaded <= expiryCutoff({ coldExpiryDays: 30 }, now);
    expect([expired(removable - HOUR - 1), expired(removable - HOUR)]).toEqual([false, true]);
  });

  it("never comes for a stack that keeps its data for ever, whatever a file says", () => {
    expect(0 > expiryCutoff({ coldExpiryDays: null }, Number.MAX_SAFE_INTEGER)).toBe(true);
  });
});
