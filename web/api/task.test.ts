import { beforeEach, describe, expect, test } from "vitest";
import { ACCEPTED, FakeGateway, json } from "../tests/gateway";
import { GatewayAway, GatewayProblem } from "./problems";
import { createTask, JsonText } from "./task";

let gateway: FakeGateway;
beforeEach(async () => {
  gateway = await FakeGateway.start();
});

describe("createTask", () => {
  test("posts the task and gives what the gateway says", async () => {
    const response = await createTask({ task_id: "1", agent_id: "agent_1", payload: {} });
    expect(response).toEqual(ACCEPTED);
    expect(gateway.asked[0]).toMatchObject({ method: "POST", url: "/api/tasks" });
    expect(gateway.asked[0]?.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(gateway.asked[0]?.body ?? "")).toEqual({ task_id: "1", agent_id: "agent_1", payload: {} });
  });

  test("leaves out a task id that is empty", async () => {
    await createTask({ task_id: "", agent_id: "agent_1", payload: { action: "test" } });
    expect(JSON.parse(gateway.asked[0]?.body ?? "")).toEqual({ agent_id: "agent_1", payload: { action: "test" } });
  });

  test("sends a payload's text as it was typed", async () => {
    await createTask({ agent_id: "ä", payload: new JsonText('{"n": 9007199254740993, "x": 1.0}') });
    expect(gateway.asked[0]?.body).toBe('{"agent_id":"ä","payload":{"n": 9007199254740993, "x": 1.0}}');
  });

  test("tells which fields are refused", async () => {
    gateway.onPost = (_, response) =>
      json(response, 422, {
        title: "Unprocessable Content",
        detail: "agent_id: must not be empty",
        errors: [{ field: "agent_id", message: "must not be empty" }],
      });
    const error = await createTask({ agent_id: "", payload: {} }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(GatewayProblem);
    expect(error).toMatchObject({
      status: 422,
      message: "agent_id: must not be empty",
      fields: { agent_id: "must not be empty" },
    });
  });

  test("says something also of an answer that is no problem of the gateway's", async () => {
    gateway.onPost = (_, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>");
    await expect(createTask({ agent_id: "a", payload: {} })).rejects.toThrow("the gateway is in trouble (502)");
  });

  test("says that nobody answers", async () => {
    await gateway.stop();
    await expect(createTask({ agent_id: "a", payload: {} })).rejects.toThrow(GatewayAway);
  });
});
