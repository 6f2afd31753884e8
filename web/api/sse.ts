/** Server-sent events over fetch, which can say who asks and be told why not; EventSource can do neither. */

export interface ServerEvent {
  /** Where to go on from; empty if the stream has said none. */
  id: string;
  /** "message" unless the stream says otherwise. */
  event: string;
  data: string;
}

/** Cuts a stream of text into events. Pure. */
export class EventParser {
  private rest = "";
  private id = "";
  private event = "";
  private data: string[] = [];

  /** The events that are complete with this piece of text. */
  push(text: string): ServerEvent[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.take(line.replace(/\r$/, "")));
  }

  private take(line: string): ServerEvent[] {
    if (line === "") {
      const done = { id: this.id, event: this.event || "message", data: this.data.join("\n") };
      const isEvent = this.data.length > 0;
      this.event = "";
      this.data = [];
      return isEvent ? [done] : [];
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") this.id = value;
    else if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    return [];
  }
}

/**
 * The events of an answer, until it ends.
 *
 * @throws DOMException nothing came for `silenceMs`, or the signal of the request was raised; TypeError: it broke off.
 */
export async function* readEvents(response: Response, silenceMs: number): AsyncGenerator<ServerEvent[]> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await within(silenceMs, reader.read());
      if (done) return;
      yield parser.push(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("nothing was heard", "TimeoutError")), limitMs);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
