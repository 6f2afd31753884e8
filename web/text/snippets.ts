/** A call as something to paste: for a shell, and for Python. Pure. */

import { tokenize } from "./json";

export interface Call {
  /** Empty: the gateway gives one. */
  taskId: string;
  agentId: string;
  /** A JSON object, valid. */
  payload: string;
}

/** For a POSIX shell; waits for the outcome. */
export function asCurl(call: Call, origin: string): string {
  const members = [
    call.taskId === "" ? [] : [`"task_id": ${JSON.stringify(call.taskId)}`],
    `"agent_id": ${JSON.stringify(call.agentId)}`,
    `"payload": ${call.payload.trim()}`,
  ].flat();
  return [
    `curl -i ${quote(`${origin}/api/tasks`)} \\`,
    "  -H 'content-type: application/json' -H 'prefer: wait=30' \\",
    `  -d ${quote(`{${members.join(", ")}}`)}`,
  ].join("\n");
}

/** For the Python SDK; waits for the outcome. */
export function asPython(call: Call): string {
  const args = [
    call.taskId === "" ? [] : [`        task_id=${pythonString(call.taskId)},`],
    `        agent_id=${pythonString(call.agentId)},`,
    `        payload=${pythonValue(call.payload).replaceAll("\n", "\n        ")},`,
  ].flat();
  return [
    "from mabos.consumers import TaskClient",
    "",
    "with TaskClient.from_settings() as client:",
    "    response = client.call(",
    ...args,
    "        timeout_s=30,",
    "    )",
    "    print(response.status, response.result)",
  ].join("\n");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON as a Python expression. */
function pythonValue(json: string): string {
  const words: Record<string, string> = { true: "True", false: "False", null: "None" };
  let out = "";
  let at = 0;
  for (const { kind, start, end } of tokenize(json.trim())) {
    const text = json.trim().slice(start, end);
    out += json.trim().slice(at, start);
    if (kind === "word") out += words[text] ?? text;
    else if (kind === "string") out += pythonString(JSON.parse(text) as string);
    else out += text;
    at = end;
  }
  return out;
}

/** Both languages read what JSON.stringify writes as the same string, but JSON's own escapes of pairs they do not. */
function pythonString(text: string): string {
  return JSON.stringify(text);
}
