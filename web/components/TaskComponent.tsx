import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type KeyboardEvent, useId } from "react";
import { GatewayAway, GatewayProblem } from "../api/problems";
import type { SentTask } from "../api/responses";
import { createTask, JsonText } from "../api/task";
import { EMPTY_DRAFT } from "../app/draft";
import { useGatewayLook } from "../app/gateway";
import { useTabState } from "../app/storage";
import { findIdFault } from "../text/ids";
import { checkObject } from "../text/json";
import type { Call } from "../text/snippets";
import { Field } from "./Field";
import { Outcome } from "./Outcome";
import { PayloadField } from "./PayloadField";
import { SentTasks } from "./SentTasks";
import { Snippets } from "./Snippets";

/** As many tasks that were sent are kept in sight. */
const MAX_SENT = 8;

/** A task that this tab has sent. */
export interface Sent extends SentTask {
  /** ms since 1970. */
  sentAt: number;
}

/** Create a task, and see what becomes of it. What is typed survives a reload. */
export default function TaskComponent() {
  const [draft, setDraft] = useTabState("draft", EMPTY_DRAFT, isCall);
  const [before, setBefore] = useTabState<Call | null>("draft-before", null, isCall);
  const [sent, setSent] = useTabState<readonly Sent[]>("sent", [], isSentList);
  const [shown, setShown] = useTabState<string | null>("shown", null, isText);
  const lookAtGateway = useGatewayLook();
  const sending = useMutation({ mutationFn: send, networkMode: "always", onError: lookAtGateway });
  const reason = sending.isPending ? "Sending…" : findReason(draft);
  const refused = sending.error instanceof GatewayProblem ? sending.error.fields : {};
  const current = sent.find(({ position }) => position === shown) ?? sent[0];
  const change = (part: Partial<Call>) => {
    setDraft({ ...draft, ...part });
    if (sending.isError) sending.reset();
  };
  const bringBack = () => {
    if (before !== null) change(before);
    setBefore(null);
  };
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (reason !== null) return;
    sending.mutate(draft, {
      onSuccess: (task) => {
        setSent([task, ...sent].slice(0, MAX_SENT));
        setShown(task.position);
      },
    });
  };
  return (
    <div className="columns">
      <TaskForm
        {...{ draft, change, submit, reason, refused }}
        onBringBack={before === null ? null : bringBack}
        trouble={sending.error ? explain(sending.error, draft) : null}
      />
      <div className="stack">
        <section className="card card-outcome" aria-labelledby="outcome">
          <header className="card-head">
            <h2 id="outcome">Outcome</h2>
          </header>
          {current ? (
            <Outcome key={current.position} task={current} />
          ) : (
            <p className="empty">Send a task, and what becomes of it appears here as it happens.</p>
          )}
        </section>
        <Snippets call={findReason(draft) === null ? draft : null} />
        {sent.length > 1 && <SentTasks sent={sent} current={current} onShow={(task) => setShown(task.position)} />}
      </div>
    </div>
  );
}

interface TaskFormProps {
  draft: Call;
  change: (part: Partial<Call>) => void;
  submit: (event?: FormEvent) => void;
  /** Why the task cannot be sent now. */
  reason: string | null;
  /** What the gateway said of each field. */
  refused: Record<string, string>;
  trouble: string | null;
  /** Brings back the draft that stood here before another was put in its place; null if none was. */
  onBringBack: (() => void) | null;
}

function TaskForm({ draft, change, submit, reason, refused, trouble, onBringBack }: TaskFormProps) {
  const told = useId();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  };
  return (
    <form className="card form" onSubmit={submit} onKeyDown={onKeyDown} noValidate>
      <Field
        label="Task ID"
        isOptional
        hint="Your name for it. A task that is sent twice under one name is done once."
        fault={(draft.taskId !== "" && findIdFault(draft.taskId)) || refused.task_id}
      >
        {(control) => (
          <input
            {...control}
            className="input code"
            value={draft.taskId}
            onChange={(event) => change({ taskId: event.target.value })}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Field>
      <Field
        label="Agent ID"
        hint="Who shall do it. Tasks of one agent are done in order."
        fault={(draft.agentId !== "" && findIdFault(draft.agentId)) || refused.agent_id}
      >
        {(control) => (
          <input
            {...control}
            className="input code"
            value={draft.agentId}
            onChange={(event) => change({ agentId: event.target.value })}
            autoComplete="off"
            spellCheck={false}
            required
          />
        )}
      </Field>
      <PayloadField text={draft.payload} onChange={(payload) => change({ payload })} refusal={refused.payload} />
      <div className="form-foot">
        <button type="submit" className="button button-main" aria-disabled={reason !== null} aria-describedby={told}>
          Create task
        </button>
        <p id={told} className={trouble ? "field-fault" : "quiet"} role={trouble ? "alert" : undefined}>
          {trouble ?? reason ?? "Ctrl+Enter sends, too."}
        </p>
        {onBringBack && (
          <button type="button" className="link" onClick={onBringBack}>
            Bring back my draft of before
          </button>
        )}
      </div>
    </form>
  );
}

async function send(draft: Call): Promise<Sent> {
  const sentAt = Date.now();
  const { task_id, position } = await createTask({
    task_id: draft.taskId,
    agent_id: draft.agentId,
    payload: new JsonText(draft.payload.trim()),
  });
  return { taskId: task_id, agentId: draft.agentId, position, sentAt };
}

/** Why a draft cannot be sent; null if it can. */
function findReason({ taskId, agentId, payload }: Call): string | null {
  if (agentId === "") return "Name an agent first.";
  if (taskId !== "" && findIdFault(taskId) !== null) return `The task ID ${findIdFault(taskId)}.`;
  if (findIdFault(agentId) !== null) return `The agent ID ${findIdFault(agentId)}.`;
  const check = checkObject(payload);
  return check.ok ? null : `The payload is wrong at line ${check.fault.line}, column ${check.fault.column}.`;
}

function explain(error: Error, { taskId }: Call): string {
  if (error instanceof GatewayAway) {
    const safe =
      taskId === "" ? "Give it a task ID to be able to send it again safely." : "It is safe to send it again.";
    return `The gateway does not answer, so the task may be stored or not. ${safe}`;
  }
  return error.message;
}

function isText(value: unknown): value is string | null {
  return typeof value === "string";
}

function isCall(value: unknown): value is Call {
  return hasTexts(value, ["taskId", "agentId", "payload"]);
}

function isSentList(value: unknown): value is Sent[] {
  return Array.isArray(value) && value.every((one) => hasTexts(one, ["taskId", "agentId", "position"]));
}

function hasTexts(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === "string");
}
