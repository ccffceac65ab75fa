import { Buffer } from "node:buffer";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mergeEnvironment } from "./config.ts";
import { parseEnvFile, readEnvFile } from "./env-file.ts";

const merged = (bytes: Uint8Array | string, environment: Readonly<Record<string, string>> = {}) =>
  mergeEnvironment(parseEnvFile(Buffer.from(bytes)), environment);

const valuesOf = (text: string) =>
  Object.fromEntries(parseEnvFile(Buffer.from(text)).settings.map(({ name, value }) => [name, value]));

test.each([
  "A=1\nB=2\n",
  "A = 1 \r\nB=\r\n",
  "# B=2\n\n  A=1 # why\n",
  "export A='x # y'\nB=\"z\"",
  "A=`q`\nB=a=b",
])("reads %j as Node does", (text) => {
  expect(valuesOf(text)).toEqual({ ...parseEnv(text) });
});

const lines = "LIMIT_ORDER_VALUE=25000\nTRADING=off\n";
const swapped = Buffer.from(`\ufeff${lines}`, "utf16le").swap16();

test.each([
  ["UTF-8", Buffer.from(lines)],
  ["UTF-8 with a byte-order mark", Buffer.from(`\ufeff${lines}`)],
  ["UTF-16 little-endian", Buffer.from(`\ufeff${lines}`, "utf16le")],
  ["UTF-16 big-endian", swapped],
])("a file in %s is read rightly, its first line too", (_encoding, bytes) => {
  expect(merged(bytes)).toEqual({ env: { LIMIT_ORDER_VALUE: "25000", TRADING: "off" }, mistakes: [] });
});

test.each([
  ["UTF-16 without a byte-order mark", Buffer.from(lines, "utf16le")],
  ["Latin-1", Buffer.from("# Büro\nTRADING=off\n", "latin1")],
])("a file in %s is refused", (_encoding, bytes) => {
  expect(merged(bytes).mistakes).toEqual([expect.stringContaining("no text in UTF-8")]);
});

test("every problem of the file is reported at once, by name, and shows no value", () => {
  const { mistakes } = merged(
    [
      "TRADNG=secret",
      "Approval=secret",
      "COLOUR=secret",
      "TRADING=off",
      "TRADING=live",
      "LIMIT_DAY_LOSS=",
      "APPROVAL always",
      'OWNER_PASSPHRASE="secret',
      "AGENT_TOKEN=secret#secret",
      "ALLOWED_ORIGINS=",
      "CLOUDFLARE_API_TOKEN=secret",
    ].join("\n"),
  );
  expect(mistakes).toEqual([
    "Line 7 of .env is no setting. Write NAME=value, or put # before it.",
    expect.stringContaining("OWNER_PASSPHRASE in line 8"),
    expect.stringContaining("AGENT_TOKEN in line 9"),
    expect.stringContaining("TRADNG in .env is no variable of tws-edge; the nearest is TRADING."),
    expect.stringContaining("Approval in .env is written in other capitals than APPROVAL"),
    expect.stringContaining("COLOUR in .env is no variable"),
    "TRADING is in .env more than once (lines 4, 5). Keep one of them.",
    "LIMIT_DAY_LOSS in line 6 of .env is empty. Give it a value, or put # before it for its default.",
  ]);
  expect(mistakes.join()).not.toContain("secret");
});

describe("in a folder", () => {
  const before = process.cwd();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tws-edge-env-"));
    process.chdir(folder);
  });
  afterEach(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  });

  test("no file is none, and a link that leads nowhere is one that cannot be read", () => {
    expect(readEnvFile()).toEqual({ settings: [], mistakes: [] });
    symlinkSync(join(folder, "gone"), ".env");
    expect(readEnvFile().mistakes).toEqual([expect.stringMatching(/^The file \.env cannot be read: ENOENT/)]);
  });

  test("a folder by that name cannot be read either", () => {
    mkdirSync(".env");
    expect(readEnvFile().mistakes).toEqual([expect.stringContaining("cannot be read")]);
  });

  test.each([".ENV", ".Env", ".env.local"])("%s is said to be read by nobody", (name) => {
    writeFileSync(name, "TRADING=off\n");
    expect(readEnvFile()).toEqual({
      settings: [],
      mistakes: [expect.stringContaining(`The file ${name} is not read`)],
    });
    writeFileSync(".env", "TRADING=off\n");
    expect(readEnvFile()).toMatchObject({
      settings: [{ name: "TRADING" }],
      mistakes: [expect.stringContaining(name)],
    });
  });
});

test.each([
  ["TRADING=off # for now", "off"],
  ["TRADING=off\t#", "off"],
])("%j has a comment", (line, value) => {
  expect(valuesOf(line)).toEqual({ TRADING: value });
});

test.each(["correct horse # battery", "correct-horse #1", "a#b"])(
  "%j may be a value with a # in it, and is not guessed",
  (value) => {
    const { settings, mistakes } = parseEnvFile(Buffer.from(`OWNER_PASSPHRASE=${value}`));
    expect([settings, mistakes]).toEqual([[], [expect.stringContaining("Put the value in quotes")]]);
  },
);

test("the environment wins over the file, unless it is empty", () => {
  expect(merged("TRADING=off\nAPPROVAL=always\n", { TRADING: "live", APPROVAL: "" }).env).toEqual({
    TRADING: "live",
    APPROVAL: "always",
  });
});

test(".env.example is a file that can be read, with every line taken for what it shows", () => {
  const example = readFileSync(new URL("../../.env.example", import.meta.url), "utf8");
  const { mistakes } = parseEnvFile(Buffer.from(example.replaceAll(/^# ?(?=[A-Z_]+=)/gm, "")));
  expect(mistakes).toEqual([]);
});
