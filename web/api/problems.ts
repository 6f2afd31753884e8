/** What goes wrong with a call: the gateway's problems (RFC 9457), and a gateway that does not answer. */

import type { components } from "./schema";

type Problem = components["schemas"]["Problem"];

/** The gateway refused: its status, its words, and which fields it means. */
export class GatewayProblem extends Error {
  override name = "GatewayProblem";
  readonly status: number;
  /** What is wrong with each refused field, by its name. */
  readonly fields: Record<string, string>;
  /** The name under which the task is safe to send again, after a failed publish. */
  readonly taskId: string | undefined;

  constructor(problem: Problem) {
    super(problem.detail);
    this.status = problem.status;
    this.fields = Object.fromEntries((problem.errors ?? []).map(({ field, message }) => [field, message]));
    this.taskId = problem.task_id ?? undefined;
  }
}

/** Nobody answered: the gateway is away, or the network is. */
export class GatewayAway extends Error {
  override name = "GatewayAway";

  constructor(options?: ErrorOptions) {
    super("the gateway does not answer", options);
  }
}

/** Whether asking again, later, may help without anybody doing anything. */
export function isPassing(error: Error | null): boolean {
  return (
    error instanceof GatewayAway || (error instanceof GatewayProblem && [429, 502, 503, 504].includes(error.status))
  );
}

/** What the body of an answer that is no success says; also one that somebody between us and the gateway wrote. */
export function toProblem(body: unknown, status: number): GatewayProblem {
  if (isProblem(body)) return new GatewayProblem({ ...body, status });
  const detail = status >= 500 ? `the gateway is in trouble (${status})` : `the gateway refused (${status})`;
  return new GatewayProblem({ type: "about:blank", title: "", status, detail });
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "detail" in value && typeof value.detail === "string";
}
