/** A valid JSON text as a tree whose leaves stand as they were written: no digit of a number is lost. Pure. */

import { type Token, tokenize } from "./json";

export type JsonNode =
  | { kind: "object"; members: readonly JsonMember[] }
  | { kind: "array"; items: readonly JsonNode[] }
  | { kind: "string" | "number" | "word"; text: string };

export interface JsonMember {
  name: string;
  value: JsonNode;
}

/** The tree of a JSON text; null if it is none. */
export function readTree(text: string): JsonNode | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = tokenize(text);
  let at = 0;
  const take = (): Token => tokens[at++] as Token; // it is valid: what is expected is there
  const isNext = (kind: string) => tokens[at]?.kind === kind;
  const readList = <T>(end: string, readOne: () => T): T[] => {
    const found: T[] = [];
    while (!isNext(end)) {
      found.push(readOne());
      if (isNext(",")) at += 1;
    }
    at += 1;
    return found;
  };
  const readNode = (): JsonNode => {
    const { kind, start, end } = take();
    if (kind === "[") return { kind: "array", items: readList("]", readNode) };
    if (kind === "{") return { kind: "object", members: readList("}", readMember) };
    return { kind: kind as "string" | "number" | "word", text: text.slice(start, end) };
  };
  const readMember = (): JsonMember => {
    const { start, end } = take();
    at += 1; // the colon
    return { name: JSON.parse(text.slice(start, end)) as string, value: readNode() };
  };
  return readNode();
}
