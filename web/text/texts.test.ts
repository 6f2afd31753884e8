// @vitest-environment node
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { toCsvLine } from "./csv";
import { findIdFault } from "./ids";
import { asCurl, asPython } from "./snippets";
import { fromLocalField, toLocalField, toMoment } from "./span";
import { showAge, showDuration } from "./time";
import { readTree } from "./tree";

const NASTY = {
  taskId: 'it\'s "1" $HOME `x` \\n',
  agentId: "agent ä 😀",
  payload: '{"a": [true, false, null], "s": "\\ud83d\\ude00 \\/ it\'s", "n": 9007199254740993}',
};
const PAYLOAD = { a: [true, false, null], s: "😀 / it's", n: 9007199254740993n.toString() };

test("the call for curl is one that a shell takes apart into the body it means", () => {
  const told = execFileSync("/bin/sh", ["-c", asCurl(NASTY, "http://gateway").replace("curl", 'printf "%s\\0"')]);
  const args = told.toString().split("\0");
  expect(args).toContain("http://gateway/api/tasks");
  const body = args[args.indexOf("-d") + 1] ?? "";
  expect(body).toContain("9007199254740993");
  const { payload, ...ids } = JSON.parse(body.replace("9007199254740993", '"9007199254740993"'));
  expect(ids).toEqual({ task_id: NASTY.taskId, agent_id: NASTY.agentId });
  expect(payload).toEqual(PAYLOAD);
});

test("the call for Python means the same to Python", () => {
  const fake = [
    "import json, sys, types",
    "class TaskClient:",
    "    from_settings = classmethod(lambda cls: cls())",
    "    __enter__ = lambda self: self",
    "    __exit__ = lambda self, *_: None",
    "    def call(self, **how):",
    "        how['payload']['n'] = str(how['payload']['n'])",
    "        print(json.dumps(how))",
    "        return types.SimpleNamespace(status='', result='')",
    "sys.modules['mabos'] = types.ModuleType('mabos')",
    "sys.modules['mabos.consumers'] = types.SimpleNamespace(TaskClient=TaskClient)",
  ];
  const program = [...fake, asPython(NASTY)].join("\n");
  const told = execFileSync("python3", ["-c", program], { env: { ...process.env, PYTHONIOENCODING: "utf-8" } });
  expect(JSON.parse(told.toString().split("\n")[0] ?? "")).toEqual({
    task_id: NASTY.taskId,
    agent_id: NASTY.agentId,
    payload: PAYLOAD,
    timeout_s: 30,
  });
});

test("a task without a name has none in the call", () => {
  const call = { taskId: "", agentId: "a", payload: "{}" };
  expect(asCurl(call, "http://gateway")).not.toContain("task_id");
  expect(asPython(call)).not.toContain("task_id");
});

describe("findIdFault", () => {
  test.each([
    ["agent_1", null],
    ["ä".repeat(127), null],
    ["ä".repeat(128), "takes 256 bytes, at most 255 are allowed"],
    ["a\tb", "must not hold control characters"],
    ["\ud800", "holds half a character"],
  ])("of %j", (id, fault) => {
    expect(findIdFault(id)).toBe(fault);
  });
});

test.each([
  [0, "now"],
  [1_400, "now"],
  [59_000, "59 s ago"],
  [61_000, "1 min ago"],
  [7_300_000, "2 h ago"],
  [200_000_000, "2 d ago"],
  [-5_000, "now"],
])("%i ms ago is %s", (ms, shown) => {
  expect(showAge(1_000_000_000_000 - ms, 1_000_000_000_000)).toBe(shown);
});

describe("toMoment", () => {
  const now = Date.parse("2030-01-02T12:00:00Z");
  test.each([
    ["1h", "2030-01-02T11:00:00.000Z"],
    ["15m", "2030-01-02T11:45:00.000Z"],
    ["7d", "2029-12-26T12:00:00.000Z"],
    ["2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000Z"],
    ["yesterday", undefined],
    ["999999999h", undefined],
    [undefined, undefined],
  ])("of %j", (text, moment) => {
    expect(toMoment(text, now)).toBe(moment);
  });

  test("a field for date and time gives back what it was given", () => {
    expect(fromLocalField(toLocalField("2030-01-01T10:30:00.000Z"))).toBe("2030-01-01T10:30:00.000Z");
    expect([toLocalField(undefined), fromLocalField("")]).toEqual(["", undefined]);
  });
});

test.each([
  ["=1+1", "'=1+1\r\n"],
  ["  @SUM(A1)", "'  @SUM(A1)\r\n"],
  ["-2", "'-2\r\n"],
  ["\tx", "'\tx\r\n"],
  ['say "a, b"', '"say ""a, b"""\r\n'],
  ["two\nlines", '"two\nlines"\r\n'],
  [-2, "-2\r\n"],
  [null, "\r\n"],
  [true, "true\r\n"],
])("the cell %j is safe in a spreadsheet", (cell, line) => {
  expect(toCsvLine([cell])).toBe(line);
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1_250, "1.25 s"],
  [59_900, "59.9 s"],
  [184_000, "3 min 4 s"],
  [7_500_000, "2 h 5 min"],
  [172_800_000, "2 d"],
])("%i ms take %s", (ms, shown) => {
  expect(showDuration(ms)).toBe(shown);
});

test("a tree keeps every digit and every name, and is none of what is no JSON", () => {
  const tree = readTree('{"a": [1.10, 90071992547409931234567890, "\\u00e4 \\" ]"], "a": {}, "b": null}');
  expect(tree).toEqual({
    kind: "object",
    members: [
      {
        name: "a",
        value: {
          kind: "array",
          items: [
            { kind: "number", text: "1.10" },
            { kind: "number", text: "90071992547409931234567890" },
            { kind: "string", text: '"\\u00e4 \\" ]"' },
          ],
        },
      },
      { name: "a", value: { kind: "object", members: [] } },
      { name: "b", value: { kind: "word", text: "null" } },
    ],
  });
  expect(readTree("no json")).toBeNull();
});
