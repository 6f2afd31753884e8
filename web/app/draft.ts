/** The draft of a task that this tab holds for the page that creates one. */

import { layOut } from "../text/json";
import type { Call } from "../text/snippets";
import { readTree } from "../text/tree";
import { read, write } from "./storage";

export const EMPTY_DRAFT: Call = { taskId: "", agentId: "", payload: '{\n  "action": "test"\n}' };

/** Put a task there to be edited; what stood there is kept, to be brought back. */
export function putDraft(call: Call): void {
  const before = read(() => sessionStorage, "draft");
  const payload = readTree(call.payload) === null ? call.payload : layOut(call.payload);
  const draft = JSON.stringify({ ...call, payload });
  if (before !== null && before !== draft && before !== JSON.stringify(EMPTY_DRAFT)) {
    write(() => sessionStorage, "draft-before", before);
  }
  write(() => sessionStorage, "draft", draft);
}
