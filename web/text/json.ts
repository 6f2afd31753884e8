/** JSON as people type it: where it is wrong, and the same text laid out otherwise. Pure. */

/** The first thing that is wrong with a text. */
export interface JsonFault {
  /** One line for people, such as "expected a comma or }". */
  message: string;
  /** From 1. */
  line: number;
  /** From 1, in characters as an editor counts them. */
  column: number;
  /** In UTF-16 units from the text's start, where a text field puts its caret. */
  offset: number;
}

export type JsonCheck = { ok: true } | { ok: false; fault: JsonFault };

type Kind = "{" | "}" | "[" | "]" | ":" | "," | "string" | "number" | "word" | "end";
export interface Token {
  kind: Kind;
  start: number;
  end: number;
}

/** As deep as the gateway takes it. */
export const MAX_DEPTH = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LOOSE = /[^\s{}[\]:,"]+/y;
const TOKEN = /[{}[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}[\]:,"]+/g;
const SPACE = /[ \t\n\r]*/y;

class Fault extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

/** Whether a text is a JSON object; if not, what is wrong with it and where. Never throws. */
export function checkObject(text: string): JsonCheck {
  try {
    new Reader(text).readDocument();
    return { ok: true };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: { message: error.message, ...place(text, error.offset) } };
    throw error;
  }
}

/** Line and column of an offset. */
export function place(text: string, offset: number): { line: number; column: number; offset: number } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: [...(before.at(-1) ?? "")].length + 1, offset };
}

/** The same JSON with two spaces of indentation; each string and number stays as it was written. */
export function layOut(text: string): string {
  const tokens = tokenize(text);
  let out = "";
  let depth = 0;
  const newLine = () => `\n${"  ".repeat(depth)}`;
  for (const [at, token] of tokens.entries()) {
    const before = tokens[at - 1]?.kind;
    const isEmpty = (token.kind === "}" && before === "{") || (token.kind === "]" && before === "[");
    if (token.kind === "}" || token.kind === "]") depth -= 1;
    if (isEmpty) out = out.trimEnd();
    else if (token.kind === "}" || token.kind === "]") out += newLine();
    out += text.slice(token.start, token.end);
    if (token.kind === "{" || token.kind === "[") depth += 1;
    if (token.kind === "{" || token.kind === "[" || token.kind === ",") out += newLine();
    if (token.kind === ":") out += " ";
  }
  return out;
}

/** All tokens of a valid JSON text, in order. Numbers of any size are taken: others may have written it. */
export function tokenize(text: string): Token[] {
  return Array.from(text.matchAll(TOKEN), ({ 0: { length }, index }) => ({
    kind: nameKind(text.charAt(index)),
    start: index,
    end: index + length,
  }));
}

function nameKind(first: string): Kind {
  if ("{}[]:,".includes(first)) return first as Kind;
  if (first === '"') return "string";
  return /[a-z]/.test(first) ? "word" : "number";
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  readDocument(): void {
    const first = this.next();
    if (first.kind === "end") throw new Fault("the payload is empty: {} is the smallest there is", 0);
    if (first.kind !== "{") {
      this.readValue(first, 0);
      throw new Fault("the payload must be an object, in { }", first.start);
    }
    this.readValue(first, 0);
    const rest = this.next();
    if (rest.kind !== "end") throw new Fault("the object has ended: nothing may follow it", rest.start);
  }

  next(): Token {
    const start = this.skip();
    const char = this.text[start];
    if (char === undefined) return { kind: "end", start, end: start };
    if ("{}[]:,".includes(char)) {
      this.at = start + 1;
      return { kind: char as Kind, start, end: this.at };
    }
    if (char === '"') return this.string(start);
    return this.loose(start);
  }

  private readValue(token: Token, depth: number): void {
    if (token.kind === "{" || token.kind === "[") {
      if (depth >= MAX_DEPTH) throw new Fault(`nested deeper than ${MAX_DEPTH} levels`, token.start);
      if (token.kind === "{") this.readMembers(token, depth + 1);
      else this.readElements(token, depth + 1);
    } else if (token.kind === "end") {
      throw new Fault("a value is missing at the end", token.start);
    } else if (token.kind !== "string" && token.kind !== "number" && token.kind !== "word") {
      throw new Fault(`expected a value, not ${token.kind}`, token.start);
    }
  }

  private readMembers(open: Token, depth: number): void {
    const names = new Set<string>();
    let token = this.next();
    if (token.kind === "}") return;
    for (;;) {
      if (token.kind === "end") throw this.unclosed(open);
      if (token.kind === "}") throw new Fault("no comma after the last member", this.lastComma(token.start));
      if (token.kind !== "string") throw new Fault('expected a name in double quotes, such as "action"', token.start);
      const name = JSON.parse(this.text.slice(token.start, token.end)) as string;
      if (names.has(name)) throw new Fault(`the name ${JSON.stringify(name)} is there twice`, token.start);
      names.add(name);
      const colon = this.next();
      if (colon.kind !== ":") throw new Fault("expected a colon after the name", colon.start);
      this.readValue(this.next(), depth);
      token = this.next();
      if (token.kind === "}") return;
      if (token.kind === "end") throw this.unclosed(open);
      if (token.kind !== ",") throw new Fault("expected a comma or }", token.start);
      token = this.next();
    }
  }

  private readElements(open: Token, depth: number): void {
    let token = this.next();
    if (token.kind === "]") return;
    for (;;) {
      if (token.kind === "end") throw this.unclosed(open);
      if (token.kind === "]") throw new Fault("no comma after the last element", this.lastComma(token.start));
      this.readValue(token, depth);
      token = this.next();
      if (token.kind === "]") return;
      if (token.kind === "end") throw this.unclosed(open);
      if (token.kind !== ",") throw new Fault("expected a comma or ]", token.start);
      token = this.next();
    }
  }

  private skip(): number {
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    return SPACE.lastIndex;
  }

  private string(start: number): Token {
    for (let at = start + 1; ; at += 1) {
      const char = this.text[at];
      if (char === undefined || char === "\n" || char === "\r") throw new Fault("this string is not closed", start);
      if (char === '"') {
        this.at = at + 1;
        if (!(JSON.parse(this.text.slice(start, this.at)) as string).isWellFormed()) {
          throw new Fault("this string holds half a character (a lone surrogate)", start);
        }
        return { kind: "string", start, end: this.at };
      }
      if (char < " ") throw new Fault("a control character in a string is written with a backslash", at);
      if (char !== "\\") continue;
      const escaped = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(this.text.slice(at + 1, at + 6));
      if (escaped === null) throw new Fault("no such escape: a backslash itself is written \\\\", at);
      at += escaped[0].length;
    }
  }

  private loose(start: number): Token {
    LOOSE.lastIndex = start;
    const found = LOOSE.exec(this.text)?.[0] ?? this.text.charAt(start);
    this.at = start + found.length;
    if (found === "true" || found === "false" || found === "null") return { kind: "word", start, end: this.at };
    NUMBER.lastIndex = start;
    if (NUMBER.exec(this.text)?.[0] === found) {
      if (isTooLarge(found)) throw new Fault("this number has more than 64 bits: send it as a string", start);
      return { kind: "number", start, end: this.at };
    }
    throw new Fault(this.explain(found), start);
  }

  private explain(found: string): string {
    const shown = found.length > 20 ? `${found.slice(0, 19)}…` : found;
    if (/^['‘’“”]/.test(found)) return 'strings and names take double quotes: "';
    if (/^\/[/*]/.test(found)) return "JSON has no comments";
    if (/^[-+.\d]/.test(found)) return `${shown} is no number of JSON`;
    const lower = found.toLowerCase();
    const words: Record<string, string> = { true: "true", false: "false", none: "null", null: "null", nil: "null" };
    const meant = words[lower];
    if (meant !== undefined) return `write ${meant}, not ${shown}`;
    if (lower === "nan" || lower === "undefined" || lower.endsWith("infinity")) return `JSON has no ${shown}`;
    return `${shown} is no value: text takes double quotes`;
  }

  private unclosed(open: Token): Fault {
    const { line, column } = place(this.text, open.start);
    const close = open.kind === "{" ? "}" : "]";
    return new Fault(
      `a ${close} is missing: the ${open.kind} of line ${line}, column ${column} is open`,
      this.text.length,
    );
  }

  private lastComma(before: number): number {
    return this.text.lastIndexOf(",", before);
  }
}

function isTooLarge(number: string): boolean {
  if (!/^-?\d+$/.test(number)) return !Number.isFinite(Number(number));
  if (number.length > 21) return true;
  const value = BigInt(number);
  return value < -(2n ** 63n) || value >= 2n ** 64n;
}

/** The text of a member's value in a valid JSON object, as it was written; null if there is none of that name. */
export function findMember(text: string, name: string): string | null {
  const tokens = tokenize(text);
  let depth = 0;
  let from: number | null = null;
  for (const [at, { kind, start, end }] of tokens.entries()) {
    if (from !== null && depth === 1 && (kind === "," || kind === "}")) return text.slice(from, tokens[at - 1]?.end);
    if (kind === "{" || kind === "[") depth += 1;
    if (kind === "}" || kind === "]") depth -= 1;
    const isName = depth === 1 && kind === "string" && tokens[at + 1]?.kind === ":";
    if (isName && JSON.parse(text.slice(start, end)) === name) from = tokens[at + 2]?.start ?? null;
  }
  return null;
}
