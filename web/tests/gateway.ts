/** A gateway in small, behind a real socket: it takes tasks, and streams what a test has it say. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "vitest";
import type { TaskResponse } from "../api/responses";

/** The page of this test, as vitest gives it. */
declare const jsdom: { reconfigure: (options: { url: string }) => void };

export interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

type Answer = (asked: Asked, response: ServerResponse) => void;

export class FakeGateway {
  readonly asked: Asked[] = [];
  /** Streams that are open, oldest first. */
  readonly streams: ServerResponse[] = [];
  /** How POST /api/tasks is answered. */
  onPost: Answer = (_, response) => json(response, 202, ACCEPTED);
  /** How other paths are answered. */
  onGet: Answer = (_, response) => json(response, 404, PROBLEM);
  /** How a stream is answered; by default it stays open. */
  onStream: Answer = (_, response) => this.openStream(response);
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    server.on("request", (request, response) => void this.answer(request, response));
  }

  /** One on a free port; the page of this test is its page, until the test ends. */
  static async start(path = "/"): Promise<FakeGateway> {
    const gateway = new FakeGateway(createServer());
    await gateway.listen(0);
    jsdom.reconfigure({ url: gateway.origin + path });
    afterEach(() => gateway.stop());
    return gateway;
  }

  /** Be gone, and come back at the same address. */
  async leave(): Promise<() => Promise<void>> {
    const port = this.port;
    await this.stop();
    return () => this.listen(port);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  private get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (this.server.listening) await new Promise((resolve) => this.server.close(resolve));
  }

  /** The streams that were asked for. */
  get askedStreams(): Asked[] {
    return this.asked.filter(({ url }) => url.includes("/events"));
  }

  openStream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": hello\n\n");
    this.streams.push(response);
  }

  /** Say something on the newest stream. */
  say(text: string): void {
    this.streams.at(-1)?.write(text);
  }

  private listen(port: number): Promise<void> {
    return new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { method = "", url = "", headers } = request;
    const asked = { method, url, headers, body: Buffer.concat(pieces).toString() };
    this.asked.push(asked);
    if (url === "/healthz") json(response, 200, { status: "ok" });
    else if (method === "POST") this.onPost(asked, response);
    else if (url.includes("/events")) this.onStream(asked, response);
    else this.onGet(asked, response);
  }
}

export const ACCEPTED = { message: "Task request sent", task_id: "1", position: "mabos.tasks.requests:4:25" };
export const PROBLEM = {
  type: "about:blank",
  title: "Not Found",
  status: 404,
  detail: "there is nothing at this path",
};

/** Answer with JSON. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** A response as the gateway streams it. */
export function asEvent(offset: number, response: Partial<TaskResponse>): string {
  const position = `mabos.tasks.responses:4:${offset}`;
  const whole: TaskResponse = {
    type: "TaskResponse",
    task_id: "1",
    agent_id: "agent_1",
    status: "completed",
    result: {},
    error: null,
    attempt: 1,
    started_at: null,
    position,
    ...response,
  };
  const name = whole.status === "in_progress" ? "progress" : "outcome";
  return `id: ${position}\nevent: ${name}\ndata: ${JSON.stringify(whole)}\n\n`;
}
