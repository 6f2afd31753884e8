// @vitest-environment node
import { describe, expect, test } from "vitest";
import { checkObject, findMember, layOut, tokenize } from "./json";

const GOOD = ["{}", ' { "a" : [ 1 , -0.5e+3 , true , null , { } , [ ] ] } ', '{"a": "\\u00e4\\n\\"", "b": {"a": 1}}'];

function faultOf(text: string) {
  const check = checkObject(text);
  return check.ok ? null : check.fault;
}

describe("checkObject", () => {
  test.each(GOOD)("takes %s", (text) => {
    expect(checkObject(text)).toEqual({ ok: true });
  });

  test.each([
    ["", 1, 1, "the payload is empty"],
    ["  \n ", 1, 1, "the payload is empty"],
    ["[1]", 1, 1, "must be an object"],
    ['{"a": 1', 1, 8, "a } is missing: the { of line 1, column 1 is open"],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, "expected a comma or }"],
    ['{"a": 1,}', 1, 8, "no comma after the last member"],
    ['{"a": [1,]}', 1, 9, "no comma after the last element"],
    ['{"a" 1}', 1, 6, "expected a colon after the name"],
    ["{a: 1}", 1, 2, "a is no value"],
    ["{'a': 1}", 1, 2, "strings and names take double quotes"],
    ['{"a": True}', 1, 7, "write true, not True"],
    ['{"a": None}', 1, 7, "write null, not None"],
    ['{"a": NaN}', 1, 7, "JSON has no NaN"],
    ['{"a": 01}', 1, 7, "01 is no number of JSON"],
    ['{"a": .5}', 1, 7, ".5 is no number of JSON"],
    ['{"a": "x}', 1, 7, "this string is not closed"],
    ['{"ä😀": "\\x"}', 1, 9, "no such escape"],
    ['{"a": "\t"}', 1, 8, "a control character"],
    ['{"a": 1} x', 1, 10, "x is no value"],
    ['{"a": 1} {}', 1, 10, "nothing may follow"],
    ['{"a": }', 1, 7, "expected a value, not }"],
    ['{"a": 1, "a": 2}', 1, 10, 'the name "a" is there twice'],
    ['{"a": 18446744073709551616}', 1, 7, "more than 64 bits"],
    ['{"a": 1e400}', 1, 7, "more than 64 bits"],
    ['{"a": "\\ud800"}', 1, 7, "half a character"],
    ["// x\n{}", 1, 1, "JSON has no comments"],
    [`${'{"a":'.repeat(65)}1${"}".repeat(65)}`, 1, 321, "nested deeper than 64 levels"],
  ])("says where %j is wrong", (text, line, column, message) => {
    const fault = faultOf(text);
    expect(fault).toMatchObject({ line, column });
    expect(fault?.message).toContain(message);
  });

  test("agrees with JSON.parse on what is JSON, whatever somebody types", () => {
    const keys = [
      "{",
      "}",
      "[",
      "]",
      ":",
      ",",
      '"',
      "a",
      "1",
      "0",
      "-",
      ".",
      "e",
      " ",
      "\n",
      "\\",
      "true",
      "null",
      "'",
    ];
    let seed = 7;
    const next = (bound: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * bound);
    };
    for (let round = 0; round < 8_000; round += 1) {
      let text = GOOD[next(GOOD.length)] ?? "";
      for (let edits = next(3); edits > 0; edits -= 1) {
        const at = next(text.length + 1);
        text = text.slice(0, at) + (keys[next(keys.length)] ?? "") + text.slice(at + next(2));
      }
      const fault = faultOf(text);
      // what we refuse beyond JSON: what the gateway refuses, too
      if (fault?.message.includes("twice")) continue;
      expect([text, fault === null]).toEqual([text, isObject(text)]);
      if (fault !== null) expect(fault.offset).toBeLessThanOrEqual(text.length);
    }
  });
});

test("layOut changes nothing but space", () => {
  const text = '{"n":9007199254740993,"s":"a, {b}: \\u00e4","l":[1,[],{}],"o":{"p":true}}';
  expect(layOut(text)).toBe(
    '{\n  "n": 9007199254740993,\n  "s": "a, {b}: \\u00e4",\n  "l": [\n    1,\n    [],\n    {}\n  ],\n  "o": {\n    "p": true\n  }\n}',
  );
  expect(layOut(layOut(text))).toBe(layOut(text));
  expect(tokenize(layOut(text)).length).toBe(tokenize(text).length);
});

test("findMember gives a member of the object itself, as it was written", () => {
  const text = '{"a": {"result": 1}, "result": {"n": 9007199254740993, "b": [1, 2]}, "c": 1}';
  expect(findMember(text, "result")).toBe('{"n": 9007199254740993, "b": [1, 2]}');
  expect(findMember(text, "c")).toBe("1");
  expect(findMember(text, "n")).toBeNull();
});

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
