import { beforeEach, describe, expect, test, vi } from "vitest";
import { asEvent, FakeGateway, json, PROBLEM } from "../tests/gateway";
import { type Arrival, followAll, followTask } from "./responses";
import { EventParser } from "./sse";
import { follow, type StreamState } from "./stream";

let gateway: FakeGateway;
let stop: AbortController;
let arrivals: Arrival[];
let states: StreamState["kind"][];
beforeEach(async () => {
  gateway = await FakeGateway.start();
  stop = new AbortController();
  arrivals = [];
  states = [];
  return () => stop.abort();
});

const listening = () => ({
  signal: stop.signal,
  onArrivals: (news: Arrival[]) => void arrivals.push(...news),
  onState: (state: StreamState) => void states.push(state.kind),
});
const task = { taskId: "a/b", agentId: "agent 1", position: "mabos.tasks.requests:4:25" };
const opened = (count: number) => vi.waitFor(() => expect(gateway.streams).toHaveLength(count), 8000);

describe("EventParser", () => {
  const text = ': hello\n\nid: 1\nevent: progress\ndata: {"a":\r\ndata: 1}\n\ndata: x\n\nevent: none\n\n';

  test("gives events, however the text is cut", () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const parser = new EventParser();
      expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual([
        { id: "1", event: "progress", data: '{"a":\n1}' },
        { id: "1", event: "message", data: "x" },
      ]);
    }
  });
});

describe("followTask", () => {
  test("asks from the task's position, and ends with the outcome", async () => {
    const done = followTask(task, listening());
    await opened(1);
    expect(gateway.asked[0]?.url).toBe(
      "/api/tasks/a%2Fb/events?agent_id=agent+1&position=mabos.tasks.requests%3A4%3A25",
    );
    gateway.say(asEvent(7, { status: "in_progress" }));
    gateway.say(asEvent(8, { status: "completed" }));
    await done;
    expect(arrivals.map(({ response, position }) => [response.status, position])).toEqual([
      ["in_progress", "mabos.tasks.responses:4:7"],
      ["completed", "mabos.tasks.responses:4:8"],
    ]);
    expect(states).toEqual(["connecting", "open", "ended"]);
  });

  test("comes back behind the last event when the connection is lost", async () => {
    const done = followTask(task, listening());
    await opened(1);
    gateway.say(asEvent(7, { status: "in_progress" }));
    await vi.waitFor(() => expect(arrivals).toHaveLength(1));
    gateway.streams[0]?.destroy();
    await opened(2);
    expect(gateway.asked[1]?.headers["last-event-id"]).toBe("mabos.tasks.responses:4:7");
    gateway.say(asEvent(8, {}));
    await done;
    expect(arrivals).toHaveLength(2);
    expect(states).toEqual(["connecting", "open", "away", "open", "ended"]);
  });

  test("ends when nothing follows", async () => {
    gateway.onStream = (_, response) => response.writeHead(204).end();
    await followTask(task, listening());
    expect(states).toEqual(["connecting", "ended"]);
  });

  test("ends when it is refused, and says why", async () => {
    gateway.onStream = (_, response) => json(response, 404, PROBLEM);
    const details: StreamState[] = [];
    await followTask(task, { ...listening(), onState: (state) => void details.push(state) });
    expect(details.at(-1)).toEqual({ kind: "refused", detail: PROBLEM.detail });
  });

  test("comes again when the gateway is in trouble or ends the stream before its time", async () => {
    const details: string[] = [];
    const onState = (state: StreamState) => void (state.kind === "away" && details.push(state.detail));
    gateway.onStream = (_, response) => {
      gateway.onStream = (_, next) => gateway.openStream(next);
      json(response, 503, { detail: "Kafka is away" });
    };
    void followTask(task, { ...listening(), onState });
    await opened(1);
    gateway.say('event: end\ndata: {"reason": "stopping", "detail": "the gateway is stopping"}\n\n');
    gateway.streams[0]?.end();
    await vi.waitFor(() => expect(details).toEqual(["Kafka is away", "the gateway is stopping"]));
  });
});

test("a connection that is silent for too long is given up", async () => {
  const states: string[] = [];
  const url = `${gateway.origin}/api/events`;
  void follow({
    url,
    signal: stop.signal,
    silenceMs: 50,
    onEvents: () => undefined,
    onState: (state) => states.push(state.kind),
  });
  await opened(2);
  expect(states.slice(0, 3)).toEqual(["connecting", "open", "away"]);
});

test("followAll asks for what is wanted only", async () => {
  void followAll({ agents: ["a", "b"], statuses: ["failed"] }, listening());
  await opened(1);
  expect(gateway.asked[0]?.url).toBe("/api/events?agent_id=a&agent_id=b&status=failed");
  gateway.say(asEvent(1, { status: "failed" }) + asEvent(2, { status: "failed" }));
  await vi.waitFor(() => expect(arrivals).toHaveLength(2)); // an outcome does not end it
  stop.abort();
  await vi.waitFor(() => expect(gateway.streams[0]?.destroyed).toBe(true));
});
